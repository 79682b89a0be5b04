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
// A key is 32 random bytes, such as the output of `openssl rand 32`. The program reads it
// from the place where it keeps its secrets. A password is not a key. The guards derive their
// own keys from it, so that one key can serve both. With one key, an Encrypter can encrypt
// any number of values.
//
// A guard takes several keys: the first one protects, and all of them open. Replace a key in
// this order: give all processes the new key as the second one; make it the first one
// everywhere; drop the old one when the last value that it protected has expired. A value
// names its key by four bytes. If the guard does not have that key, it returns
// [ErrUnknownKey], and core.Typed returns an error that is also core.ErrCodec. A program that
// treats it as a miss loads the value again.
//
// # Threats
//
// The table shows what an attacker can do who has no key, but controls the cache, its server
// and the connection to it:
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
// To detect an earlier value that was put back, store a time or a version in the value, and
// compare it.
//
// A program that has a key can do everything: there are no separate keys for readers and
// writers. The guards protect values. They do not protect the counters and locks that the
// program keeps in the same cache: all who can write can change lockouts, the passes of
// package patterns, and the versions of tags. If values are compressed, their lengths say
// something about their content, even if they are encrypted. So do not compress secrets
// together with text that an attacker can choose.
package seal
