// What every instrument's page needs: elements, whether it is in sight, and whether its kernel is still there.
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

// Say so where the kernel that an instrument belongs to is gone: nothing will answer it any more.
function watchKernel(el, model) {
  const note = element("div", "pe-gone", el);
  note.hidden = true;
  note.textContent = "the kernel was restarted or is gone: this is what was there last; run the cell again";
  const look = () => {
    note.hidden = model.comm_live !== false && model.get("comm_live") !== false;
  };
  const gone = () => {
    note.hidden = false;
  };
  model.on("comm:close", gone);
  model.on("comm_live_update", look);
  return () => {
    model.off("comm:close", gone);
    model.off("comm_live_update", look);
  };
}
