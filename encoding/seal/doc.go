// Package seal has two guards for [encoding.Protect], for caches that others can read or write to:
//
//	encrypter, err := seal.NewEncrypter(key)
//	…
//	users, err := core.NewTyped(cache, encoding.Protect(encoding.JSON[User](), encrypter))
//
// An [Encrypter] encrypts and authenticates values, by XChaCha20-Poly1305. A [Signer] only
// authenticates them, by HMAC-SHA256: anyone can read them. Both bind a value to its key, with the
// prefix of the Cache, and the flags of the codec within, so that no value can be moved to another
// key or taken for another kind of value.
//
// # Keys
//
// A key is 32 random bytes, as from `openssl rand 32`, that the program gets from where it keeps
// its secrets. A password is not a key. The guards derive their own keys from it, so that one key
// can serve both. With one key, an Encrypter can encrypt any number of values.
//
// A guard takes several keys: the first protects, and all of them open. To replace a key, in this
// order: give all processes the new key as the second one; make it the first one everywhere; drop
// the old one when the last value that it protected has expired. A value names its key by four
// bytes. If it is none of the guard's, the error is [ErrUnknownKey], which is also core.ErrCodec.
// A program that treats that as a miss loads the value again.
//
// # Threats
//
// What can somebody do who has no key, but can do everything to the cache itself, its server or the
// connection to it?
//
//	                                        Encrypter            Signer
//	read a value                            no                   yes
//	change a value, or store a new one      no: ErrForged        no: ErrForged
//	move a value to another key             no: ErrForged        no: ErrForged
//	change the facts of an envelope         no: ErrForged        no: ErrForged
//	make a value another kind of value      no: ErrForged        no: ErrForged
//	feed hostile data to the codec          no: it is not called no: it is not called
//	put back an earlier value of a key      yes                  yes
//	delete a value, or keep it from expiring yes                 yes
//	see keys, and lengths of values         yes                  yes
//	see that two values are the same        no                   yes
//
// Against an earlier value that is put back, a value can carry a time or a version of its own,
// which the program compares.
//
// Whoever has a key can do everything; the guards do not tell readers from writers. They protect
// values, and not the counters and locks that the program keeps in the same cache: lockout, the
// passes of package patterns, and the versions of tags remain open to all who can write. If values
// are compressed, their lengths say something about their content, even if they are encrypted: do
// not compress secrets together with text that an attacker can choose.
package seal
