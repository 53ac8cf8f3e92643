/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * @file
 * Every bound and every waiting time of the control daemon.
 */
#ifndef CONTROL_LIMITS_H
#define CONTROL_LIMITS_H

enum {
	CONTROL_PLANES_MAX = 16,
	CONTROL_FILES_MIN = 128,       /**< open files: clients, planes, its own */
	CONTROL_NAME_BYTES_MAX = 32,   /**< a plane's name, without NUL */
	CONTROL_OBJECT_NAME_MAX = 64,  /**< a VIP's or backend's name, without NUL */
	CONTROL_SOCKET_PATH_MAX = 107, /**< sun_path of unix(7), without NUL */
	CONTROL_VIPS_MAX = 4096,
	/* A VIP crosses to a plane whole, in one line of RPC_LINE_BYTES_MAX: 69 bytes for the
	 * longest backend make 966,000 bytes. */
	CONTROL_VIP_BACKENDS_MAX = 14000,
	CONTROL_WEIGHT_MAX = 65535,
	CONTROL_WEIGHT_DEFAULT = 100,
	CONTROL_TABLE_SIZE_DEFAULT = 65537,
	CONTROL_ROWS_PER_BACKEND_MIN = 10,
	CONTROL_ROWS_PER_BACKEND_WARN = 100,
	CONTROL_WINDOW_S_MIN = 2,
	CONTROL_WINDOW_S_DEFAULT = 900,
	CONTROL_UDP_WINDOW_S_DEFAULT = 60,

	/* plane_link */
	LINK_BACKOFF_MS_MIN = 100,
	LINK_BACKOFF_MS_MAX = 5000,
	LINK_STABLE_MS = 1000,	       /**< up for so long: the back-off starts over */
	LINK_HELLO_MS = 5000,	       /**< to answer plane.hello */
	LINK_HELLO_INTERVAL_MS = 2000, /**< a silent change of a plane is noticed this soon */
	LINK_PREPARE_MS = 30000,       /**< to answer one part of plane.prepare */
	LINK_COMMIT_MS = 10000,	       /**< to answer plane.commit or plane.abort */
	LINK_QUERY_MS = 5000,	       /**< to answer plane.stats or plane.explain */
	LINK_CALLS_MAX = 64,	       /**< unanswered calls of one plane */
	LINK_QUERIES_MAX = 56, /**< of these, questions of clients: pushes always find room */
	LINK_READ_BYTES = 65536,
	LINK_ERROR_BYTES_MAX = 320,

	/* pusher */
	PUSH_QUEUE_MAX = 64, /**< changes waiting for their turn; more are "busy" */
	/* A part of a push stays below this, the envelope comes on top, the line below 1 MiB. */
	PUSH_PART_BYTES_MAX = 1000000,
	PUSH_RETRY_MS = 30000, /**< a plane that refused its state is asked again */
	PUSH_WARNINGS_MAX = 64,
	PUSH_WHAT_BYTES_MAX = 640, /**< who asked for which change, with NUL */
	PUSH_LOG_NAMES_MAX = 8,	   /**< VIPs or weights of a change that the log names */
	PUSH_LOG_BYTES_MAX = 1536, /**< of what the log says of a change, with NUL */

	/* history */
	/* Backends of all sets of a VIP: what does not fit a line with the VIP is of no use. */
	HISTORY_BACKENDS_MAX = CONTROL_VIP_BACKENDS_MAX,
	/* Rows that a full push makes a plane build, of present and former sets of all VIPs. It
	 * does so within one plane.prepare, at about 20 ns a row and set (27 with the largest
	 * tables): 5 to 7 s here, and 21 s on a machine three times as slow, of LINK_PREPARE_MS. */
	HISTORY_PUSH_ROWS_MAX = 250000000,

	/* state_file */
	STATE_FILE_BYTES_MAX = 4 << 20,
	STATE_SETS_BYTES_MAX = 2 << 20, /**< former sets are left out of a file beyond */
	STATE_RETRY_MS = 30000,		/**< what could not be written is tried again */
	STATE_CLOCK_SLACK_MS = 1000,	/**< the two clocks may drift apart so far unnoticed */
	STATE_NOTES_MAX = 64,		/**< lines in the log about what was taken */

	/* keeper */
	KEEPER_TICK_MS = 1000,	/**< asks whether leaving backends are drained */
	KEEPER_DROP_MAX = 256,	/**< backends dropped by one change */
	KEEPER_LOOK_MAX = 1024, /**< backends of a VIP looked at at one tick */
	RAMP_STEP_MS = 5000,	/**< a ramp changes weights this often at most */
	RAMP_WINDOW_STEPS = 48, /**< and so often in a window; below VIP_HISTORY_MAX */
	RAMP_S_MAX = 86400,

	/* rows_watch */
	ROWS_WATCH_MS = 4000,	     /**< asks whether planes have the same rows */
	ROWS_WATCH_DIFFER_MS = 1000, /**< while they have not */
	ROWS_DIFFER_MS = 3000,	     /**< rows change on each plane within this: then it is told */

	/* ctl */
	CTL_CLIENTS_MAX = 64,
	CTL_TICK_MS = 500,
	CTL_READ_BYTES = 65536,
	CTL_IDLE_MS = 300000,	   /**< a client that asks nothing is closed */
	CTL_WRITE_MS = 30000,	   /**< a client that reads nothing of its answers is closed */
	CTL_ACCEPT_PAUSE_MS = 200, /**< after running out of descriptors */
	CTL_BACKLOG = 64,
};

#endif
