package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/session"
)

// A feed for several Auths of one process that share a store.
func ExampleNewFeed() {
	ctx := context.Background()
	feed := memstore.NewFeed()
	notice := session.Notice{Kind: session.NoticeEnd, UserID: "u1", IssuedUntil: time.Now().Unix()}
	if err := feed.Publish(ctx, notice, time.Hour); err != nil {
		fmt.Println(err)
	}
	notices, position, err := feed.ReadFeed(ctx, "")
	fmt.Println(len(notices), notices[0].Kind, notices[0].UserID, err)
	notices, _, err = feed.ReadFeed(ctx, position)
	fmt.Println(len(notices), err)
	// Output:
	// 1 end u1 <nil>
	// 0 <nil>
}
