package realtime_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/realtime"
)

// invalidFrames holds text messages that are not frames. The first text of each pair is
// the message. The second is the requestId of the error frame, which is empty if the
// message has no readable requestId.
var invalidFrames = map[string][2]string{
	"an empty text":                      {``, ``},
	"spaces only":                        {`  `, ``},
	"a word":                             {`ping`, ``},
	"null":                               {`null`, ``},
	"true":                               {`true`, ``},
	"a number":                           {`17`, ``},
	"a string":                           {`"ping"`, ``},
	"an array":                           {`[{"type":"ping","requestId":"r"}]`, ``},
	"an empty object":                    {`{}`, ``},
	"an incomplete object":               {`{"type":"ping","requestId":"r"`, ``},
	"an object without quotes":           {`{type:"ping"}`, ``},
	"an object in single quotes":         {`{'type':'ping'}`, ``},
	"a trailing comma":                   {`{"type":"ping","requestId":"r",}`, ``},
	"a comment":                          {`{"type":"ping"} // hello`, ``},
	"two frames":                         {`{"type":"ping","requestId":"r"}{"type":"ping","requestId":"r"}`, ``},
	"two frames on two lines":            {"{\"type\":\"ping\",\"requestId\":\"r\"}\n{\"type\":\"ping\",\"requestId\":\"r\"}", ``},
	"an extra brace":                     {`{"type":"ping","requestId":"r"}}`, ``},
	"an extra bracket":                   {`{"type":"ping","requestId":"r"}]`, ``},
	"a frame and a word":                 {`{"type":"ping","requestId":"r"} x`, ``},
	"a line break in a string":           {"{\"type\":\"pi\nng\",\"requestId\":\"r\"}", ``},
	"an invalid number":                  {`{"type":"ping","requestId":"r","data":{"n":01}}`, ``},
	"an invalid escape":                  {`{"type":"ping","requestId":"r","data":"\x41"}`, ``},
	"nested 20,000 levels deep":          {`{"type":"ping","requestId":"r","data":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ``},
	"no type":                            {`{"requestId":"r"}`, `r`},
	"an empty type":                      {`{"type":"","requestId":"r"}`, `r`},
	"a type that is null":                {`{"type":null,"requestId":"r"}`, `r`},
	"a type that is a number":            {`{"type":1,"requestId":"r"}`, `r`},
	"a type that is an object":           {`{"type":{},"requestId":"r"}`, `r`},
	"a type that is an array":            {`{"type":["ping"],"requestId":"r"}`, `r`},
	"a type that is too long":            {`{"type":"` + strings.Repeat("p", 65) + `","requestId":"r"}`, `r`},
	"a type in upper case":               {`{"type":"PING","requestId":"r"}`, `r`},
	"an unknown type":                    {`{"type":"make.coffee","requestId":"r"}`, `r`},
	"a type that only the gateway sends": {`{"type":"welcome","requestId":"r"}`, `r`},
	"the type of a reply":                {`{"type":"reply","requestId":"r","data":{}}`, `r`},
	"a type with NUL":                    {`{"type":"ping\u0000","requestId":"r"}`, `r`},
	"a type with half a surrogate":       {`{"type":"\ud800","requestId":"r"}`, `r`},
	"an unknown field":                   {`{"type":"ping","requestId":"r","token":"x"}`, `r`},
	"a field with an empty name":         {`{"type":"ping","requestId":"r","":1}`, `r`},
	"a field name in upper case":         {`{"Type":"ping","requestId":"r"}`, `r`},
	"a requestId in another case":        {`{"type":"ping","requestID":"r"}`, ``},
	"a requestId in both cases":          {`{"type":"ping","requestId":"r","RequestId":"s"}`, `r`},
	"two types":                          {`{"type":"ping","type":"echo","requestId":"r"}`, `r`},
	"two requestIds":                     {`{"type":"ping","requestId":"r","requestId":"s"}`, ``},
	"two equal requestIds":               {`{"type":"ping","requestId":"r","requestId":"r"}`, ``},
	"a field twice, once escaped":        {`{"type":"ping","requestId":"r","\u0074ype":"echo"}`, `r`},
	"data twice":                         {`{"type":"ping","requestId":"r","data":{},"data":{}}`, `r`},
	"a ping with data":                   {`{"type":"ping","requestId":"r","data":{"x":1}}`, `r`},
	"a ping whose data is not an object": {`{"type":"ping","requestId":"r","data":[]}`, `r`},
	"an empty requestId":                 {`{"type":"ping","requestId":""}`, ``},
	"a requestId that is null":           {`{"type":"ping","requestId":null}`, ``},
	"a requestId that is a number":       {`{"type":"ping","requestId":1}`, ``},
	"a requestId that is an array":       {`{"type":"ping","requestId":["r"]}`, ``},
	"a requestId of 129 characters":      {`{"type":"ping","requestId":"` + strings.Repeat("r", 129) + `"}`, ``},
	"a requestId with a space":           {`{"type":"ping","requestId":"r r"}`, ``},
	"a requestId with a line break":      {`{"type":"ping","requestId":"r\nlevel=ERROR"}`, ``},
	"a requestId with NUL":               {`{"type":"ping","requestId":"r\u0000"}`, ``},
	"a requestId with a quote":           {`{"type":"ping","requestId":"r\""}`, ``},
	"a requestId with HTML":              {`{"type":"ping","requestId":"<script>"}`, ``},
	"a requestId with a path":            {`{"type":"ping","requestId":"../../etc"}`, ``},
	"a requestId in another alphabet":    {`{"type":"ping","requestId":"κόσμε"}`, ``},
	"a requestId with half a surrogate":  {`{"type":"ping","requestId":"\udc00"}`, ``},
	"a requestId of look-alike letters":  {`{"type":"ping","requestId":"ｒ"}`, ``},
}

func TestFrame_InvalidIsRefused(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for name, c := range invalidFrames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(frame(fin|opText, c[0]))
			require.Equal(t, refused(c[1], "validation_failed"), w.next())
			w.write(message("next"))
			w.expect(reply("next"))
		})
	}
}

func TestFrame_ValidIsAnswered(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	long := strings.Repeat("aZ0._-", 30)[:128]
	for name, c := range map[string][2]string{
		"a ping":                                {`{"type":"ping","requestId":"r"}`, `reply r {}`},
		"a ping with empty data":                {`{"type":"ping","requestId":"r","data":{}}`, `reply r {}`},
		"fields in another order":               {`{"data":"x","requestId":"r","type":"echo"}`, `reply r x`},
		"space between all tokens":              {" \t\r\n{ \"type\" : \"ping\" , \"requestId\" : \"r\" } \r\n", `reply r {}`},
		"escaped letters in values":             {`{"type":"\u0070ing","requestId":"\u0072"}`, `reply r {}`},
		"an escaped name":                       {`{"\u0074ype":"ping","requestId":"r"}`, `reply r {}`},
		"the longest requestId":                 {`{"type":"ping","requestId":"` + long + `"}`, "reply " + long + " {}"},
		"an internal error":                     {`{"type":"fault","requestId":"r"}`, refused("r", "internal")},
		"a panic":                               {`{"type":"panic","requestId":"r"}`, refused("r", "internal")},
		"an internal error without a requestId": {`{"type":"fault"}`, refused("", "internal")},
		"a panic without a requestId":           {`{"type":"panic"}`, refused("", "internal")},
		"an unknown type without a requestId":   {`{"type":"make.coffee"}`, refused("", "validation_failed")},
		"data that looks like an envelope":      {`{"type":"echo","requestId":"r","data":"{\"type\":\"error\"}"}`, `reply r {"type":"error"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(frame(fin|opText, c[0]))
			require.Equal(t, c[1], w.next())
			w.write(message("next"))
			w.expect(reply("next"))
		})
	}
}

func TestFrame_WithoutRequestIDGetsNoReply(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{}).dial(t)
	w.write(frame(fin|opText, `{"type":"ping"}`))
	w.write(frame(fin|opText, `{"type":"echo","data":"x"}`))
	w.write(message("first reply"))
	w.expect(reply("first reply"))
}
