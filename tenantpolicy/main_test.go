package tenantpolicy_test

import (
	"testing"

	"github.com/fieldgate/fieldgate/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
