// What must not wait for the modules: the theme, and asking for the data of the first view.
// Before anything is painted: as Airflow around us, else as Airflow was last seen, else as the system.
(function () {
  var root = document.documentElement;
  function outer() {
    try {
      return window.parent !== window ? window.parent.document.documentElement : null;
    } catch (_) {
      return null;
    }
  }
  function dark() {
    var found = outer();
    if (found && /\b(dark|light)\b/.test(found.className)) return found.classList.contains("dark");
    var chosen = null;
    try {
      chosen = localStorage.getItem("theme");
    } catch (_) {
      // no storage: the system decides
    }
    if (chosen === "dark" || chosen === "light") return chosen === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function apply() {
    var theme = dark() ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    window.dispatchEvent(new CustomEvent("theme", { detail: theme }));
  }
  apply();
  if (outer()) new MutationObserver(apply).observe(outer(), { attributes: true, attributeFilter: ["class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  window.addEventListener("storage", apply);
})();

// The server works on the first answers while the browser still reads the modules, which take them from here.
(function () {
  var place = location.search || location.hash ? location : null;
  try {
    // Airflow's address, where its own frame was given none.
    place = place || window.parent.location;
    place.search.toString();
  } catch (_) {
    place = location;
  }
  var asked = new URLSearchParams(place.search);
  var environment = asked.get("environment");
  var region = asked.get("region");
  try {
    // As the page was last left: see remembered() in host.js.
    if (!environment) {
      var last = (localStorage.getItem("slipway.platform") || "").split("/");
      environment = last[0];
      region = last[1];
    }
  } catch (_) {
    // no storage: the first platform, once the list of them is there
  }
  var tab = place.hash.slice(1) || "now";
  var paths = ["fleet"];
  if (environment && region && tab === "now") {
    paths.push(encodeURIComponent(environment) + "/" + encodeURIComponent(region) + "/now");
  }
  window.early = {};
  paths.forEach(function (path) {
    var answer = fetch("api/" + path, { credentials: "same-origin", headers: { Accept: "application/json" } });
    answer.catch(function () {
      // told by whoever takes it
    });
    window.early[path] = answer;
  });
})();
