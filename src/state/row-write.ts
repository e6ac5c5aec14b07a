import type { DatabaseWrite } from '../model/database.js';

/** The committed state of a row on its way to the disk. A commit that comes before the disk has it changes it. */
export class RowWrite implements DatabaseWrite {
  value: Buffer | null = null;

  constructor(readonly key: Buffer) {}
}
