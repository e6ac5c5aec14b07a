/** Which record a change is caused by: set by the engine before it calls a processor. */
export interface Cause {
  topic: string;
  offset: number;
  timestamp: number;
}

/** What one commit of a store writes to its changelog: the last state of each key that changed. */
export interface ChangelogEntry {
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly timestamp: number;
  readonly causeTopic: string;
  readonly causeOffset: number;
}
