// Nothing to be seen but whether it is: put into a panel, it tells the kernel whether the panel is in sight.

function render({ model, el }) {
  el.classList.add("pe-sight");
  const sight = watchSight(el, model, () => {});
  return () => sight.end();
}

export default { render };
