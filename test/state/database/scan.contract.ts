import assert from 'node:assert/strict';
import type { Database, KeyRange, OpenDatabase } from '#src/model/database.js';
import { all, del, put } from '../support.js';

/** The part of the contract of a database that is about scans. `opened` gives the database that the current test starts with, empty. */
export function scanContract(
  opened: () => { readonly open: OpenDatabase; readonly directory: string; readonly database: Database },
): void {
  describe('scan', () => {
    let database: Database;
    const letters = ['a', 'b', 'c', 'd', 'e'];
    beforeEach(() => {
      ({ database } = opened());
      return database.write(letters.map((letter) => put(letter, letter.toUpperCase())));
    });

    const cases: readonly (readonly [KeyRange, string])[] = [
      [{}, 'abcde'],
      [{ gte: Buffer.from('b') }, 'bcde'],
      [{ lt: Buffer.from('d') }, 'abc'],
      [{ gte: Buffer.from('b'), lt: Buffer.from('d') }, 'bc'],
      [{ gte: Buffer.from('bb'), lt: Buffer.from('dd') }, 'cd'],
      [{ gte: Buffer.from('d'), lt: Buffer.from('b') }, ''],
      [{ gte: Buffer.from('b'), lt: Buffer.from('b') }, ''],
      [{ gte: Buffer.from('x') }, ''],
      [{ lt: Buffer.from('a') }, ''],
      [{ gte: Buffer.alloc(0) }, 'abcde'],
      [{ lt: Buffer.alloc(0) }, ''],
      [{ limit: 2 }, 'ab'],
      [{ limit: 0 }, ''],
      [{ limit: 9 }, 'abcde'],
      [{ limit: Number.MAX_SAFE_INTEGER }, 'abcde'],
      [{ reverse: true }, 'edcba'],
      [{ reverse: true, gte: Buffer.from('b') }, 'edcb'],
      [{ reverse: true, lt: Buffer.from('d') }, 'cba'],
      [{ reverse: true, gte: Buffer.from('b'), lt: Buffer.from('d') }, 'cb'],
      [{ reverse: true, gte: Buffer.from('bb'), lt: Buffer.from('dd') }, 'dc'],
      [{ reverse: true, lt: Buffer.from('x'), limit: 2 }, 'ed'],
      [{ reverse: true, lt: Buffer.alloc(0) }, ''],
      [{ reverse: true, limit: 0 }, ''],
      [{ reverse: true, lt: Buffer.from('a') }, ''],
    ];
    for (const [range, expected] of cases) {
      it(`gives "${expected}" of "abcde" for ${describeRange(range)}`, async () => {
        const found = await all(database, range);
        assert.equal(found.map(([key]) => key).join(''), expected);
        assert.equal(found.map(([, value]) => value).join(''), expected.toUpperCase());
      });
    }

    it('gives nothing of an empty database, in either direction', async () => {
      await database.write(letters.map(del));
      assert.deepEqual(await all(database), []);
      assert.deepEqual(await all(database, { reverse: true }), []);
    });

    it('gives keys in the order of unsigned bytes, a prefix before what it begins', async () => {
      const ordered = ['00', '0000', '0001', '01', '7f', '80', '80ff', 'ff', 'ff00', 'ffff'];
      await database.write([
        ...letters.map(del),
        ...ordered.toReversed().map((hex) => ({ key: Buffer.from(hex, 'hex'), value: Buffer.alloc(0) })),
      ]);
      const found = [];
      for await (const chunk of database.scan({})) found.push(...chunk.map(([key]) => key.toString('hex')));
      assert.deepEqual(found, ordered);
    });

    it('gives chunks of at most a few hundred entries, none of them empty', async () => {
      await database.write(Array.from({ length: 3_000 }, (_, i) => put(`n-${String(i).padStart(5, '0')}`, '')));
      const sizes = [];
      for await (const chunk of database.scan({ gte: Buffer.from('n-') })) sizes.push(chunk.length);
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        3_000,
      );
      assert.ok(
        sizes.every((size) => size > 0 && size <= 500),
        `sizes ${sizes}`,
      );
    });

    for (const reverse of [false, true]) {
      it(`shows the entries as they were when it began, ${reverse ? 'backwards' : 'forwards'}, whatever is written meanwhile`, async () => {
        const key = (i: number): string => `n-${String(i).padStart(5, '0')}`;
        await database.write(Array.from({ length: 2_000 }, (_, i) => put(key(i), 'old')));
        const found: string[] = [];
        let changed = false;
        for await (const chunk of database.scan({ gte: Buffer.from('n-'), lt: Buffer.from('o'), reverse })) {
          found.push(...chunk.map(([, value]) => value.toString()));
          if (changed) continue;
          changed = true;
          await database.write(Array.from({ length: 2_000 }, (_, i) => (i % 2 ? del(key(i)) : put(key(i), 'new'))));
          await database.write([put('n-00000a', 'new'), put('n-99999', 'new')]);
        }
        assert.equal(found.length, 2_000);
        assert.deepEqual(new Set(found), new Set(['old']));
        assert.equal((await all(database, { gte: Buffer.from('n-'), lt: Buffer.from('o') })).length, 1_002);
      });
    }

    it('can be left early, by leaving the loop or by throwing, and the database closes afterwards', async () => {
      for await (const chunk of database.scan({})) if (chunk.length > 0) break;
      await assert.rejects(async () => {
        for await (const _ of database.scan({})) throw new Error('enough');
      }, /enough/);
      await database.close();
      const { open, directory } = opened();
      database = await open(directory);
      assert.equal((await all(database)).length, 5);
      await database.close();
    });

    it('can run several times at once', async () => {
      const found = await Promise.all([all(database), all(database, { reverse: true }), all(database, { limit: 1 })]);
      assert.deepEqual(
        found.map((entries) => entries.length),
        [5, 5, 1],
      );
    });
  });
}

function describeRange({ gte, lt, ...rest }: KeyRange): string {
  return JSON.stringify({ ...(gte && { gte: gte.toString() }), ...(lt && { lt: lt.toString() }), ...rest });
}
