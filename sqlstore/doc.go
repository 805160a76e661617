// Package sqlstore keeps sessions in a table of the app's own database.
package sqlstore
