// What every instrument's page needs: elements, and whether it is in sight.
// Put in front of an instrument's own script, as pages load one module a widget.

function element(tag, name, parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent?.append(made);
  return made;
}

// Tell the kernel whether an element is in sight, and call back when it comes into it; returns what ends that.
function watchSight(el, model, onShown) {
  let told = null;
  let intersects = false;
  const tell = (value) => {
    if (value === told) return;
    told = value;
    model.send({ kind: "sight", in_sight: value });
  };
  const look = () => tell(intersects && !document.hidden);
  const watcher = new IntersectionObserver((entries) => {
    intersects = entries[entries.length - 1].isIntersecting;
    look();
    if (intersects) onShown();
  });
  watcher.observe(el);
  document.addEventListener("visibilitychange", look);
  return {
    get inSight() {
      return intersects && !document.hidden;
    },
    end() {
      tell(false);
      watcher.disconnect();
      document.removeEventListener("visibilitychange", look);
    },
  };
}
