// Package fromsveltekit is the app on lucia-sveltekit 0.9 (before.mjs) after it has moved to lucia.
// It reads the cookies, refresh tokens and password hashes of lucia-sveltekit.
package fromsveltekit

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/scrypt"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/internal/moving/people"
)

// RefreshTokens is the table refresh_token of the old app's adapter.
type RefreshTokens interface {
	// Exists reports whether there is a row with the refresh token:
	// SELECT 1 FROM refresh_token WHERE refresh_token = $1.
	Exists(ctx context.Context, token string) (bool, error)
	// Delete deletes that row: DELETE FROM refresh_token WHERE refresh_token = $1.
	Delete(ctx context.Context, token string) error
}

// errInvalid is the error for an old session that is not accepted. Clients do not see it.
var errInvalid = errors.New("old session is not valid")

// errAnswered is the error of a request that has been answered.
var errAnswered = errors.New("answered")

// CarryOver signs in the person whose session of lucia-sveltekit the browser still has, and ends
// that session. Remove it after a year, which is the lifetime of the old refresh tokens, or
// earlier.
//
// lucia-sveltekit 0.9 decodes its tokens without checking their signature. CarryOver checks it, and
// accepts a refresh token only if its row is still in the table.
func CarryOver(auth *lucia.Auth[people.Profile], secret string, tokens RefreshTokens, next http.Handler) http.Handler {
	spent := &people.Spent{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("encrypt_refresh_token"); err != nil || !lucia.IsPage(r) {
			next.ServeHTTP(w, r)
			return
		}
		if auth.Session(r.Context()) == nil {
			err := exchange(w, r, auth, secret, tokens, spent)
			if errors.Is(err, errAnswered) {
				return
			}
			if err != nil && !errors.Is(err, errInvalid) {
				log.Print("old session: ", err) // the cookies are kept for the next request
				next.ServeHTTP(w, r)
				return
			}
		}
		for _, name := range []string{"access_token", "encrypt_refresh_token", "fingerprint_token"} {
			http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1})
		}
		next.ServeHTTP(w, r)
	})
}

func exchange(w http.ResponseWriter, r *http.Request, auth *lucia.Auth[people.Profile], secret string, tokens RefreshTokens, spent *people.Spent) error {
	token, userID, err := read(r, secret)
	if err != nil {
		return err
	}
	exists, err := tokens.Exists(r.Context(), token)
	if err != nil {
		return err
	}
	if !exists || !spent.First(token) {
		if spent.Wait(w, r, token) {
			return errAnswered // another tab has just been signed in
		}
		return errInvalid
	}
	if _, err := auth.SignIn(w, r, userID); err != nil {
		spent.Forget(token)
		return err
	}
	return tokens.Delete(r.Context(), token)
}

// read returns the refresh token of the request's cookies and the id of its user.
func read(r *http.Request, secret string) (token, userID string, err error) {
	sealed, err := r.Cookie("encrypt_refresh_token")
	if err != nil {
		return "", "", errInvalid
	}
	fingerprint, err := r.Cookie("fingerprint_token")
	if err != nil {
		return "", "", errInvalid
	}
	token, err = decrypt(sealed.Value, secret)
	if err != nil {
		return "", "", err
	}
	var claims struct {
		jwt.RegisteredClaims
		UserID          string `json:"user_id"`
		FingerprintHash string `json:"fingerprint_hash"`
		Role            string `json:"role"`
	}
	_, err = jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if err != nil || claims.Role != "refresh_token" || !Verify(fingerprint.Value, claims.FingerprintHash) {
		return "", "", errInvalid
	}
	return token, claims.UserID, nil
}

// decrypt opens the cookie encrypt_refresh_token: AES-192-CBC, "ciphertext.iv" in hexadecimal.
func decrypt(sealed, secret string) (string, error) {
	text, iv, _ := strings.Cut(sealed, ".")
	data, err := hex.DecodeString(text)
	if err != nil {
		return "", errInvalid
	}
	start, err := hex.DecodeString(iv)
	if err != nil || len(start) != aes.BlockSize || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return "", errInvalid
	}
	key, err := scrypt.Key([]byte(secret), []byte("salt"), 16384, 8, 1, 24)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	cipher.NewCBCDecrypter(block, start).CryptBlocks(data, data)
	padding := int(data[len(data)-1])
	if padding == 0 || padding > aes.BlockSize {
		return "", errInvalid
	}
	return string(data[:len(data)-padding]), nil
}

// Verify reports whether hash is the hash of value. lucia-sveltekit hashes passwords and
// fingerprints with scrypt and writes "salt:key".
func Verify(value, hash string) bool {
	salt, key, ok := strings.Cut(hash, ":")
	want, err := hex.DecodeString(key)
	if !ok || err != nil || len(want) != 64 {
		return false
	}
	got, err := scrypt.Key([]byte(value), []byte(salt), 16384, 8, 1, 64)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
