package libraries_test

import (
	"testing"

	"github.com/lucia-go/lucia/internal/chrometest"
)

func TestMain(m *testing.M) { chrometest.Main(m) }
