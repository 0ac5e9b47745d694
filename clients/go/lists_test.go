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

// A listServer serves one list. The cursor of a page is the page's number.
type listServer struct {
	pages   [][]string // the ids on each page
	queries []string
	failAt  int // number of the page whose request is refused; zero means that none is refused
}

func (l *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.queries = append(l.queries, r.URL.RawQuery)
	page, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	if l.failAt != 0 && page == l.failAt {
		writeProblem(w, http.StatusServiceUnavailable, fieldgate.CodeStoreUnavailable)
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
	writeJSON(w, http.StatusOK, list)
}

func (l *listServer) customer(t *testing.T) *fieldgate.CustomerClient {
	return serve(t, l.ServeHTTP).Customer(fieldgate.Bearer("JWT"))
}

// ids returns the ids of the items in a list, and the error that ended the list.
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

func TestList_AllPages(t *testing.T) {
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
			list := &listServer{pages: [][]string{{"a", "b"}, {}, {"c"}}}
			all, err := read(list.customer(t))
			require.NoError(t, err)
			require.Equal(t, []string{"a", "b", "c"}, all, "an empty page is not the end of the list")
			require.Equal(t, []string{"limit=2", "cursor=1&limit=2", "cursor=2&limit=2"}, list.queries)
		})
	}
}

func TestList_Empty(t *testing.T) {
	t.Parallel()
	list := &listServer{pages: [][]string{{}}}
	all, err := deviceIDs(list.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{}))
	require.NoError(t, err)
	require.Empty(t, all)
	require.Len(t, list.queries, 1)
}

func TestList_ErrorIsTheLastElement(t *testing.T) {
	t.Parallel()
	list := &listServer{pages: [][]string{{"a"}, {"b"}, {"c"}}, failAt: 1}
	var seen []string
	for device, err := range list.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{}) {
		seen = append(seen, fmt.Sprint(device.ID, " ", fieldgate.CodeOf(err)))
	}
	require.Equal(t, []string{"a ", " " + fieldgate.CodeStoreUnavailable}, seen)
	require.Len(t, list.queries, 2)
}

func TestList_StopsWithTheLoop(t *testing.T) {
	t.Parallel()
	list := &listServer{pages: [][]string{{"a", "b"}, {"c"}}}
	for range list.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{}) {
		break
	}
	require.Len(t, list.queries, 1)
}

func TestList_FromACursor(t *testing.T) {
	t.Parallel()
	list := &listServer{pages: [][]string{{"a"}, {"b"}, {"c"}}}
	devices := list.customer(t).AllDevices(t.Context(), fieldgate.ListDevicesParams{Cursor: "1"})
	for range 2 { // the sequence can be read again
		all, err := deviceIDs(devices)
		require.NoError(t, err)
		require.Equal(t, []string{"b", "c"}, all)
	}
}
