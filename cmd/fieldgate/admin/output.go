package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// flushEvery is the number of rows after which a table is printed, so that a long list appears
// while it is read. Columns are aligned within these rows.
const flushEvery = 200

// list prints records, as the rows of a table or as one JSON object a line.
type list struct {
	json  *json.Encoder     // nil for a table
	table *tabwriter.Writer // nil for JSON
	rows  int
}

// list returns a list that prints to the output of the command. The columns are those of the
// table.
func (c *storeFlags) list(columns ...string) *list {
	if c.JSON {
		return &list{json: newEncoder(c.stdout)}
	}
	l := &list{table: newTable(c.stdout)}
	_, _ = fmt.Fprintln(l.table, strings.Join(columns, "\t"))
	return l
}

// add prints a record: as JSON, or as a row with these cells. An empty cell is printed as "-".
func (l *list) add(record any, cells ...any) error {
	if l.json != nil {
		return l.json.Encode(record)
	}
	writeRow(l.table, cells)
	if l.rows++; l.rows%flushEvery == 0 {
		return l.table.Flush()
	}
	return nil
}

// end prints what add has not printed yet.
func (l *list) end() error {
	if l.table == nil {
		return nil
	}
	return l.table.Flush()
}

// fields are the lines "name: value" with which people read one record.
type fields []field

type field struct {
	name  string
	value any
}

// print prints one record: as JSON, or its fields. Fields with an empty value are left out.
func (c *storeFlags) print(record any, all fields) error {
	if c.JSON {
		return newEncoder(c.stdout).Encode(record)
	}
	table := newTable(c.stdout)
	for _, f := range all {
		if text := fmt.Sprint(f.value); text != "" {
			_, _ = fmt.Fprintf(table, "%s:\t%s\n", f.name, text)
		}
	}
	return table.Flush()
}

func writeRow(w io.Writer, cells []any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		if texts[i] = oneLine(fmt.Sprint(cell)); texts[i] == "" {
			texts[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(w, strings.Join(texts, "\t"))
}

// oneLine replaces the characters that end a cell or control a terminal. Names and reasons come
// from users.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// newEncoder returns an encoder that leaves "<", ">" and "&" as they are, because no browser
// reads its output.
func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}
