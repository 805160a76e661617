package main

import (
	"fmt"
	"strings"
)

// table is a markdown table. Its first column is text, the others are figures.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print prints the table under a title.
func (t *table) print(title string) {
	fmt.Printf("\n### %s\n\n", title)
	printRow(t.head)
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	printRow(rule)
	for _, r := range t.rows {
		printRow(r)
	}
}

func printRow(cells []string) { fmt.Printf("| %s |\n", strings.Join(cells, " | ")) }

// micros formats nanoseconds as microseconds.
func micros(ns float64) string { return fmt.Sprintf("%.2f µs", ns/1000) }

// thousands formats a rate.
func thousands(perSecond float64) string { return fmt.Sprintf("%.1f k/s", perSecond/1000) }

func ratio(a, b float64) string { return fmt.Sprintf("%.2f", a/b) }
