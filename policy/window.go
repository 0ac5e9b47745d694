package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // images without a file system have no time zones of their own
)

// Window is a time of the week. One that ends before it begins lasts until the next day.
type Window struct {
	Days string `json:"days,omitempty"` // days on which it begins, such as "Mon-Fri" or "Sat,Sun"; empty: all
	From string `json:"from,omitempty"` // such as "22:00"; empty: the whole day, and To too
	To   string `json:"to,omitempty"`   // such as "05:00", or "24:00"
	Zone string `json:"zone,omitempty"` // an IANA name, DeviceZone, or empty for UTC
}

const (
	// DeviceZone is the zone of the device, which is its tag ZoneTag. A window of a device without such
	// a tag cannot be decided, and neither can one of a tag that is no IANA name.
	DeviceZone = "device"
	ZoneTag    = "timezone"
)

// window is a Window that was checked.
type window struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day
	zone     *time.Location
}

const minutesOfDay = 24 * 60

var dayNames = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// compile checks a window. A nil zone is that of the device.
func (w Window) compile() (window, error) {
	days, err := parseDays(w.Days)
	if err != nil {
		return window{}, err
	}
	c := window{days: days, to: minutesOfDay}
	if w.From != "" || w.To != "" {
		if c.from, err = parseMinute(w.From); err != nil {
			return window{}, err
		}
		if c.to, err = parseMinute(w.To); err != nil {
			return window{}, err
		}
	}
	if c.from == c.to || c.from == minutesOfDay {
		return window{}, errors.New("must begin and end at different times of a day")
	}
	if w.Zone != DeviceZone {
		c.zone, err = loadZone(w.Zone)
	}
	return c, err
}

// loadZone returns a time zone by its IANA name. The zone of this machine has no such name.
func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || zone == time.Local {
		return nil, errors.New("must name a time zone of the IANA database, or the zone of the device")
	}
	return zone, nil
}

// parseDays parses a list of days and of ranges of days.
func parseDays(text string) (days [7]bool, err error) {
	if text == "" {
		return [7]bool{true, true, true, true, true, true, true}, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || to < 0 {
			return days, errors.New(`must list days such as "Mon-Fri" or "Sat,Sun"`)
		}
		for day := from; ; day = (day + 1) % len(days) {
			days[day] = true
			if day == to {
				break
			}
		}
	}
	return days, nil
}

// parseMinute parses a time of the day, such as "22:00", as minutes.
func parseMinute(text string) (int, error) {
	hour, minute, found := strings.Cut(text, ":")
	h, errHour := strconv.Atoi(hour)
	m, errMinute := strconv.Atoi(minute)
	isWritten := found && text == fmt.Sprintf("%02d:%02d", h, m)
	if !isWritten || errors.Join(errHour, errMinute) != nil || h < 0 || m < 0 || m > 59 || 60*h+m > minutesOfDay {
		return 0, errors.New(`must be times of the day such as "22:00"`)
	}
	return 60*h + m, nil
}

// contains reports whether a time is in the window. The zone is that of the window, or of the device.
func (w window) contains(t time.Time, zone *time.Location) bool {
	t = t.In(zone)
	minute, day := 60*t.Hour()+t.Minute(), t.Weekday()
	if w.from < w.to {
		return w.days[day] && minute >= w.from && minute < w.to
	}
	yesterday := (day + 6) % 7
	return w.days[day] && minute >= w.from || w.days[yesterday] && minute < w.to
}

// zones holds the time zones of devices that were used. Only names of the IANA database are kept, so
// there are few. It is safe for concurrent use.
type zones struct{ byName sync.Map }

// of returns the time zone of a device with these tags. It returns nil if the device has none.
func (z *zones) of(tags map[string]string) *time.Location {
	name := tags[ZoneTag]
	if name == "" {
		return nil
	}
	if known, found := z.byName.Load(name); found {
		return known.(*time.Location)
	}
	zone, err := loadZone(name)
	if err != nil {
		return nil
	}
	z.byName.Store(name, zone)
	return zone
}
