// Package moving tests docs/from and docs/recipes.md: apps before and after they move to lucia, and
// the recipes. It is a separate module, so that none of the libraries becomes a dependency of an
// app. The app on lucia-sveltekit needs node. It also needs npm, to install the library once into
// fromsveltekit/node_modules.
package moving
