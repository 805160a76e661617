// An app on htmx 1 or 2 that also shows the page of a form's error.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr?.status === 422) {
    detail.shouldSwap = true;
    detail.isError = false;
  }
});
