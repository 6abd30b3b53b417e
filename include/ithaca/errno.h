/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * errno.h - operating errors, as positive numbers with the names and values of the BSDs.
 * A function that can fail returns one of them, or 0. Programmer's errors assert instead.
 */
#ifndef ITHACA_ERRNO_H
#define ITHACA_ERRNO_H

#define EPERM 1         /* not allowed to this caller */
#define ENOENT 2        /* no such name */
#define EIO 5           /* the device misbehaved */
#define ENXIO 6         /* no such device */
#define ENOMEM 12       /* out of memory */
#define EBUSY 16        /* in use */
#define EEXIST 17       /* the name is taken */
#define ENODEV 19       /* the device cannot do that */
#define EINVAL 22       /* an argument makes no sense */
#define ENOSPC 28       /* a fixed resource (vectors, handlers of a source) is used up */
#define ERANGE 34       /* a number is outside its limits */
#define EAGAIN 35       /* not now; later it may be */
#define EDEADLK 11      /* waiting for oneself */
#define EMSGSIZE 40     /* too long for what shall carry it */
#define EOPNOTSUPP 45   /* not supported here */
#define EADDRINUSE 48   /* another has that address or port */
#define ENETDOWN 50     /* the interface is down, or has no link */
#define ECONNRESET 54   /* the other end broke the connection */
#define ENOBUFS 55      /* a queue or the pool of buffers is used up */
#define ESHUTDOWN 58    /* it is being taken down */
#define ETIMEDOUT 60    /* time ran out */
#define ECONNREFUSED 61 /* the other end will have no connection */
#define EHOSTUNREACH 65 /* no way leads there */

/* errno_name - "EINVAL" for 22, "OK" for 0, "E?" for a number that is none of the above. */
const char *errno_name(int error);

#endif
