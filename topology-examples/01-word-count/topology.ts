import { count, flatMapValues, groupBy, serdes, to, topology } from 'millrace';

export interface Line {
  readonly text: string;
}

const wordsOf = (line: Line): string[] => line.text.toLowerCase().match(/\p{L}+/gu) ?? [];

export default topology('word-count', (t) => {
  t.stream('lines', { key: serdes.string, value: serdes.json<Line>() }).pipe(
    flatMapValues(wordsOf),
    // The same word may come from any partition: grouped by it, all its records meet in one task, where they can be counted.
    groupBy((record) => record.value, { key: serdes.string, value: serdes.string, name: 'by-word' }),
    count({ store: 'counts' }),
    to('counts', { key: serdes.string, value: serdes.int64 }),
  );
});
