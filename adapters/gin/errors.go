package luciagin

import (
	"github.com/gin-gonic/gin"

	"github.com/lucia-go/lucia/adapters/internal/answer"
	"github.com/lucia-go/lucia/middleware"
)

// Error answers with an error of auth as middleware.WriteError does, aborts the
// chain and adds the error to c.Errors. It reports whether there was one.
//
//	if _, err := auth.SignIn(c.Writer, c.Request, id); luciagin.Error(c, err) {
//		return
//	}
func Error(c *gin.Context, err error) bool {
	if err == nil {
		return false
	}
	c.Error(err)
	held := answer.Hold(c.Writer)
	middleware.WriteError(held, err)
	abort(c, held)
	return true
}

// abort ends the chain with an answer that was held back.
func abort(c *gin.Context, held *answer.Held) {
	c.Abort()
	if err := held.Release(); err != nil {
		c.Error(err)
	}
}
