/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dash.h - the dashboard's figures. The essay is in dash.c.
 */
#ifndef SYS_APP_DASH_H
#define SYS_APP_DASH_H

/* dash_start - /metrics.json and /events are there. Once, after net_init(). Thread context; may
 * block. */
void dash_start(void);

#endif
