// Package libraries tests the browser module beside libraries that replace pages by script: htmx,
// Turbo and Unpoly, as npm installs them. It contains no code.
package libraries
