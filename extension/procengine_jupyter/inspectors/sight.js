// What every instrument's page needs: elements, spans of time as text, and whether it is in sight.
// Put in front of an instrument's own script, as pages load one module a widget.

const SECOND = 1000; // milliseconds
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function spanText(milliseconds) {
  const whole = (size) => Math.floor(milliseconds / size);
  if (milliseconds < MINUTE) return `${whole(SECOND)} s`;
  if (milliseconds < HOUR) return `${whole(MINUTE)} min ${String(whole(SECOND) % 60).padStart(2, "0")} s`;
  if (milliseconds < DAY) return `${whole(HOUR)} h ${String(whole(MINUTE) % 60).padStart(2, "0")} min`;
  return `${whole(DAY)} d ${whole(HOUR) % 24} h`;
}

function element(tag, name, parent) {
  const made = document.createElement(tag);
  made.className = name;
  parent?.append(made);
  return made;
}

// Tell the kernel whether an element is in sight, and call back when it comes into it; returns what ends that.
// The kernel knows each place in which a widget is shown by a name: the end of one is not the end of another.
function watchSight(el, model, onShown) {
  const place = Math.random().toString(36).slice(2);
  let told = null;
  let intersects = false;
  const tell = (value) => {
    if (value === told) return;
    told = value;
    model.send({ kind: "sight", in_sight: value, place });
  };
  const look = () => tell(intersects && !document.hidden);
  const watcher = new IntersectionObserver((entries) => {
    intersects = entries[entries.length - 1].isIntersecting;
    look();
    if (intersects) onShown();
  });
  watcher.observe(el);
  const leave = () => tell(false); // the page is closed, or loaded anew
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", look);
  return {
    place,
    get inSight() {
      return intersects && !document.hidden;
    },
    end() {
      tell(false);
      watcher.disconnect();
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", look);
    },
  };
}
