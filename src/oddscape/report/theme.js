// The theme: the system's, or one chosen here and kept where the browser lets a page keep anything.
{
  const choice = document.querySelector("#theme");
  const kept = (work) => {
    try {
      return work(window.localStorage);
    } catch {
      return null; // pages from disk may be refused storage
    }
  };
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    choice.value = theme;
  };
  show(kept((storage) => storage.getItem("oddscape-theme")) ?? "system");
  choice.addEventListener("change", () => {
    show(choice.value);
    kept((storage) => storage.setItem("oddscape-theme", choice.value));
  });
  choice.parentElement.hidden = false;
}
