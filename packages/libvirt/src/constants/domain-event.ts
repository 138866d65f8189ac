// Details of lifecycle events (virDomainEvent…DetailType), by event.

export const DomainEventDetail = {
  defined: { ADDED: 0, UPDATED: 1, RENAMED: 2, FROM_SNAPSHOT: 3 },
  undefined: { REMOVED: 0, RENAMED: 1 },
  started: { BOOTED: 0, MIGRATED: 1, RESTORED: 2, FROM_SNAPSHOT: 3, WAKEUP: 4 },
  suspended: {
    PAUSED: 0,
    MIGRATED: 1,
    IOERROR: 2,
    WATCHDOG: 3,
    RESTORED: 4,
    FROM_SNAPSHOT: 5,
    API_ERROR: 6,
    POSTCOPY: 7,
    POSTCOPY_FAILED: 8,
  },
  resumed: { UNPAUSED: 0, MIGRATED: 1, FROM_SNAPSHOT: 2, POSTCOPY: 3, POSTCOPY_FAILED: 4 },
  stopped: { SHUTDOWN: 0, DESTROYED: 1, CRASHED: 2, MIGRATED: 3, SAVED: 4, FAILED: 5, FROM_SNAPSHOT: 6 },
  shutdown: { FINISHED: 0, GUEST: 1, HOST: 2 },
  pmsuspended: { MEMORY: 0, DISK: 1 },
  crashed: { PANICKED: 0, CRASHLOADED: 1 },
} as const;

export const WatchdogAction = {
  NONE: 0,
  PAUSE: 1,
  RESET: 2,
  POWEROFF: 3,
  SHUTDOWN: 4,
  DEBUG: 5,
  INJECTNMI: 6,
} as const;

export const IoErrorAction = { NONE: 0, PAUSE: 1, REPORT: 2 } as const;
