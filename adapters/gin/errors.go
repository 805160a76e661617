package luciagin

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/adapters/internal/refusal"
	"github.com/lucia-go/lucia/middleware"
)

// Error responds with an error of auth as middleware.Error does: a page for a person, the code for
// a script. It aborts the chain and adds the error to c.Errors. It does nothing if err is nil.
//
//	if _, err := auth.SignIn(c.Writer, c.Request, id); err != nil {
//		luciagin.Error(c, err)
//		return
//	}
func Error(c *gin.Context, err error) {
	if err == nil {
		return
	}
	c.Error(err)
	c.Abort()
	middleware.Error(c.Writer, c.Request, err)
}

// deny ends the chain and writes the response that Config.Deny has not written. An error that is
// not a denial is the app's own, and the app's own middleware writes it.
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
