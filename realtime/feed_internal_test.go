package realtime

import (
	"encoding/json"
	"maps"
	"slices"
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
