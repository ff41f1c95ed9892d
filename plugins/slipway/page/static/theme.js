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
