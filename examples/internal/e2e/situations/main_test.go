package situations_test

import (
	"testing"

	"github.com/lucia-go/lucia/examples/internal/apptest"
)

func TestMain(m *testing.M) { apptest.Main(m) }
