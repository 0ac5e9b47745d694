package queue

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fieldgate/fieldgate/store"
)

// These are the sizes of the kept output, as queue/lua/report.lua has them.
const (
	outputKept  = 256 << 10   // maximum number of bytes that are read
	outputBlock = 16<<10 - 64 // size of a block
)

// readOutput returns the output of a command from the position since on, and the position of its
// first byte.
func (q *Queue) readOutput(ctx context.Context, d store.Device, id string, r report, since int) (from int, text string, err error) {
	from = min(max(since, r.From, r.Next-outputKept), r.Next)
	if from == r.Next {
		return from, "", nil
	}
	first := from / outputBlock
	var names []string
	for n := first; n*outputBlock < r.Next; n++ {
		names = append(names, id+":output:"+strconv.Itoa(n))
	}
	blocks, err := q.readFields(ctx, d, names...)
	if err != nil {
		return 0, "", err
	}
	from, text = wholeRunes(joinBlocks(blocks, first*outputBlock, from, r.Next))
	return from, text, nil
}

// joinBlocks joins the blocks that begin at the position begin, from the position from up to the
// position next. It drops what comes before the end of a block that is missing or too short: a new
// claim may have deleted blocks meanwhile.
func joinBlocks(blocks store.Reply, begin, from, next int) (start int, text string) {
	var joined strings.Builder
	start = from
	for i := range blocks {
		block, position := blocks.String(i), begin+i*outputBlock
		end := min(position+outputBlock, next)
		if position+len(block) < end {
			joined.Reset()
			start = end
			continue
		}
		joined.WriteString(block[max(0, from-position) : end-position])
	}
	return start, joined.String()
}

// wholeRunes drops bytes at the beginning that continue a character of which the first byte is
// missing.
func wholeRunes(from int, text string) (int, string) {
	for text != "" && !utf8.RuneStart(text[0]) {
		from, text = from+1, text[1:]
	}
	return from, text
}
