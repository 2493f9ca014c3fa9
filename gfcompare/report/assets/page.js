// The start: figures, the theme, copying.

const charts = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  return [curvesFigure(data), functionsFigure(data)].filter((chart) => chart);
})();

const themeButton = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

function themed() {
  themeButton.textContent = isDark() ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  for (const chart of charts) chart.redraw();
}

themeButton.hidden = false;
themeButton.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  themed();
});
dark.addEventListener("change", themed);
themed();

// Another width may mean other ticks and another arrangement of maps.
let resizing = null;
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === width) return;
  width = window.innerWidth;
  clearTimeout(resizing);
  resizing = setTimeout(() => charts.forEach((chart) => chart.redraw()), 150);
});

for (const link of document.querySelectorAll("[data-image]")) {
  link.href = link.closest("figure").querySelector("img").src;
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const text = button.textContent;
  button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copy));
    button.textContent = "Copied";
    document.getElementById("said").textContent = "Copied";
    setTimeout(() => { button.textContent = text; }, 1500);
  });
}
