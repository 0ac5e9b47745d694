package fieldgate_test

import (
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// library plays a list of pages; the cursor of a page is its number.
type library struct {
	pages   [][]string // the ids on each page
	queries []string
	failAt  int // the page that is refused; 0 for none, for the first never is
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.queries = append(l.queries, r.URL.RawQuery)
	page, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	if l.failAt != 0 && page == l.failAt {
		refuse(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
		return
	}
	items := []map[string]string{}
	for _, id := range l.pages[page] {
		items = append(items, map[string]string{"id": id})
	}
	list := map[string]any{"items": items}
	if page+1 < len(l.pages) {
		list["nextCursor"] = strconv.Itoa(page + 1)
	}
	answer(w, http.StatusOK, list)
}

func (l *library) customer(t *testing.T) *fieldgate.CustomerClient {
	return serve(t, l.ServeHTTP).Customer(fieldgate.Bearer("JWT"))
}

// ids gives the ids of a list, and its error.
func ids[T any](list iter.Seq2[T, error], id func(T) string) (all []string, err error) {
	for item, err := range list {
		if err != nil {
			return all, err
		}
		all = append(all, id(item))
	}
	return all, nil
}

func deviceIDs(list iter.Seq2[fieldgate.Device, error]) ([]string, error) {
	return ids(list, func(d fieldgate.Device) string { return d.ID })
}

func TestAListIsReadPageByPageToItsEnd(t *testing.T) {
	t.Parallel()
	command := func(c fieldgate.Command) string { return c.ID }
	for name, read := range map[string]func(c *fieldgate.CustomerClient) ([]string, error){
		"devices": func(c *fieldgate.CustomerClient) ([]string, error) {
			return deviceIDs(c.AllDevices(t.Context(), fieldgate.ListDevicesParams{Limit: 2}))
		},
		"sessions": func(c *fieldgate.CustomerClient) ([]string, error) {
			return ids(c.AllSessions(t.Context(), fieldgate.ListSessionsParams{Limit: 2}),
				func(s fieldgate.Session) string { return s.ID })
		},
		"commands": func(c *fieldgate.CustomerClient) ([]string, error) {
			return ids(c.AllCommands(t.Context(), sessionID, fieldgate.ListCommandsParams{Limit: 2}), command)
		},
		"approvals": func(c *fieldgate.CustomerClient) ([]string, error) {
			return ids(c.AllApprovals(t.Context(), fieldgate.ListApprovalsParams{Limit: 2}), command)
		},
		"connections": func(c *fieldgate.CustomerClient) ([]string, error) {
			return ids(c.AllConnections(t.Context(), fieldgate.ListConnectionsParams{Limit: 2}),
				func(c fieldgate.Connection) string { return c.ID })
		},
		"events": func(c *fieldgate.CustomerClient) ([]string, error) {
			return ids(c.AllEvents(t.Context(), sessionID, fieldgate.ListSessionEventsParams{Limit: 2}),
				func(e fieldgate.Event) string { return e.ID })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			library := &library{pages: [][]string{{"a", "b"}, {}, {"c"}}}
			all, err := read(library.customer(t))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "c"}, all, "an empty page is not the end")
			require.Equal(t, []string{"limit=2", "cursor=1&limit=2", "cursor=2&limit=2"}, library.queries, "the rest stays the same")
		})
	}
}

func TestAnEmptyListIsOneRequest(t *testing.T) {
	t.Parallel()
	library := &library{pages: [][]string{{}}}
	all, err := deviceIDs(library.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{}))
	require.NoError(t, err)
	require.Empty(t, all)
	require.Len(t, library.queries, 1)
}

func TestAnErrorIsTheLastElementOfAList(t *testing.T) {
	t.Parallel()
	library := &library{pages: [][]string{{"a"}, {"b"}, {"c"}}, failAt: 1}
	var seen []string
	for device, err := range library.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{}) {
		seen = append(seen, fmt.Sprint(device.ID, " ", fieldgate.CodeOf(err)))
	}
	require.Equal(t, []string{"a ", " " + fieldgate.CodeStoreUnavailable}, seen)
	require.Len(t, library.queries, 2)
}

func TestAListThatIsLeftEarlyAsksForNoMore(t *testing.T) {
	t.Parallel()
	library := &library{pages: [][]string{{"a", "b"}, {"c"}}}
	for range library.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{}) {
		break
	}
	require.Len(t, library.queries, 1)
}

func TestAListCanBeReadFromACursorAndReadAgain(t *testing.T) {
	t.Parallel()
	library := &library{pages: [][]string{{"a"}, {"b"}, {"c"}}}
	list := library.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{Cursor: "1"})
	for range 2 {
		all, err := deviceIDs(list)
		require.NoError(t, err)
		require.Equal(t, []string{"b", "c"}, all)
	}
}
