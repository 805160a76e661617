package luciagin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/adapters/internal/refusal"
	"github.com/lucia-go/lucia/middleware"
)

// Error answers with an error of auth as middleware.Error does, a page for a person and
// the code for a script, aborts the chain and adds the error to c.Errors. It reports
// whether there was one.
//
//	if _, err := auth.SignIn(c.Writer, c.Request, id); luciagin.Error(c, err) {
//		return
//	}
func Error(c *gin.Context, err error) bool {
	if err == nil {
		return false
	}
	c.Error(err)
	c.Abort()
	middleware.Error(c.Writer, c.Request, err)
	return true
}

// deny ends the chain with what Config.Deny has left to be answered. What is no denial
// is the app's own error, which its own middleware writes.
func deny(c *gin.Context, denial *middleware.Denial, err error) {
	c.Abort()
	if err == nil {
		return
	}
	left := refusal.Of(err)
	if left == nil {
		c.Error(err)
		c.Status(denial.Status)
		return
	}
	if left.Status >= http.StatusBadRequest {
		c.Error(left)
	}
	left.Write(c.Writer)
}
