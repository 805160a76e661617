// Package moving tests docs/from and docs/recipes: the programs of apps that move to lucia, before
// and after, and the recipes. It is a module of its own, so that none of the libraries becomes a
// dependency of an app. The app on lucia-sveltekit needs node, and npm to install the library once,
// into fromsveltekit/node_modules.
package moving
