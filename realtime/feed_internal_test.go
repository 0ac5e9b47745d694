package realtime

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/fieldgate/fieldgate"
)

// TestEvent_FrameHasTheFieldsOfTheContract fails if the contract declares an event
// field that no event frame has.
func TestEvent_FrameHasTheFieldsOfTheContract(t *testing.T) {
	t.Parallel()
	var contract struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	require.NoError(t, yaml.Unmarshal(fieldgate.SocketSpec, &contract))
	e := parseEvent(redis.XMessage{ID: "1-1", Values: map[string]any{
		"type": "command.proposed", "time": "1", "request": "request", "actor": "user:alice",
		"device": "dev", "session": "ses", "command": "cmd", "data": "{}",
		"trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	}})
	var frame struct{ Data map[string]any }
	require.NoError(t, json.Unmarshal(e.encode(RoomTenant), &frame))
	requireFields(t, contract.Components.Schemas["RoomEvent"].Properties, frame.Data)
	requireFields(t, contract.Components.Schemas["RoomEventData"].Properties, frame.Data["data"].(map[string]any))

	reply, err := json.Marshal(Subscribed{Room: RoomTenant, Offset: "1-1", Resumed: true, Reason: reasonTrimmed})
	require.NoError(t, err)
	var subscribed map[string]any
	require.NoError(t, json.Unmarshal(reply, &subscribed))
	requireFields(t, contract.Components.Schemas["Subscribed"].Properties, subscribed)
}

func requireFields(t *testing.T, want, got map[string]any) {
	t.Helper()
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)))
}

// TestSocketEvents_AreThoseThatTheScriptsMark fails if the hub handles an event of a device whose
// wake-up says that it concerns only the subscribers of rooms.
func TestSocketEvents_AreThoseThatTheScriptsMark(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../store/lua/event.lua")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(script), "local SOCKET_EVENTS = {")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "}")
	var marked []string
	for _, match := range regexp.MustCompile(`\['(\S+)'\]`).FindAllStringSubmatch(list, -1) {
		marked = append(marked, match[1])
	}
	require.ElementsMatch(t, append(slices.Collect(maps.Keys(rightsEvents)), "command.cancel_requested"), marked)
}
