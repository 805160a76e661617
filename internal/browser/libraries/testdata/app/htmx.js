// An app on htmx 1 or 2 that shows the page that comes with a form's error, too.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr?.status === 422) {
    detail.shouldSwap = true;
    detail.isError = false;
  }
});
