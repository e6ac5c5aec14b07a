import {
  aggregate,
  groupBy,
  mapValues,
  reorderByVersion,
  type StreamRecord,
  serdes,
  to,
  topology,
  toTable,
} from 'millrace';

/** One change of one file, in the order in which it landed. */
export interface SourceChange {
  readonly sequence: number;
  readonly eventId: string;
  readonly file: string;
  /** 1, 2, 3 … for each file. */
  readonly version: number;
  readonly change: 'added' | 'modified' | 'deleted';
  /** Size of the file after the change. */
  readonly bytes: number;
}

export interface SourceFile {
  readonly bytes: number;
}

/** How much there is of something. */
export interface Size {
  readonly files: number;
  readonly bytes: number;
}

const json = serdes.json<Size>();

/** Sums files up; a file that changes is taken out again first. Null deletes the row: a directory without files is none. */
const sizes = {
  value: json,
  initial: (): Size => ({ files: 0, bytes: 0 }),
  add: (size: Size, { value: file }: StreamRecord<string, SourceFile>): Size => ({
    files: size.files + 1,
    bytes: size.bytes + file.bytes,
  }),
  subtract: (size: Size, { value: file }: StreamRecord<string, SourceFile>): Size | null =>
    size.files === 1 ? null : { files: size.files - 1, bytes: size.bytes - file.bytes },
};

const directoryOf = (file: string): string => file.slice(0, file.lastIndexOf('/'));

export default topology('time-travel', (t) => {
  const files = t.stream('source-changes', { key: serdes.string, value: serdes.json<SourceChange>() }).pipe(
    reorderByVersion({ store: 'change-order', version: (record) => record.value.version, first: 1 }),
    mapValues((change): SourceFile | null => (change.change === 'deleted' ? null : { bytes: change.bytes })),
    toTable({ store: 'files', value: serdes.json<SourceFile>() }),
  );

  files.pipe(
    groupBy((record) => directoryOf(record.key), { key: serdes.string, name: 'by-directory' }),
    aggregate({ store: 'directories', ...sizes }),
    to('directories', { key: serdes.string, value: json }),
  );

  files.pipe(
    groupBy(() => 'all', { key: serdes.string, name: 'all-files' }),
    aggregate({ store: 'totals', ...sizes }),
    to('totals', { key: serdes.string, value: json }),
  );
});
