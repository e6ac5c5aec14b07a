import assert from 'node:assert/strict';
import { Headers } from '#src/model/headers.js';

const shown = (headers: Headers): unknown =>
  [...headers].map(([name, value]) => [name, value && Buffer.from(value).toString()]);

describe('headers', () => {
  it('are an ordered list; a name may occur more than once, and the last value counts', () => {
    const headers = Headers.none.with('a', '1').with('b', '2').with('a', '3');
    assert.deepEqual(shown(headers), [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
    ]);
    assert.equal(headers.text('a'), '3');
    assert.equal(headers.size, 3);
  });

  it('tell a null value from none; both have no text', () => {
    const headers = Headers.of({ none: null });
    assert.equal(headers.get('none'), null);
    assert.equal(headers.get('other'), undefined);
    assert.equal(headers.text('none'), undefined);
    assert.equal(headers.text('other'), undefined);
  });

  it('keep an empty value, as text and as bytes', () => {
    const headers = Headers.of({ empty: '' });
    assert.equal(headers.get('empty')?.length, 0);
    assert.equal(headers.text('empty'), '');
  });

  it('are made of an object: text is written as UTF-8, bytes stay', () => {
    const headers = Headers.of({ text: 'grün', bytes: Uint8Array.of(1, 2) });
    assert.deepEqual(headers.get('text'), Buffer.from('grün'));
    assert.deepEqual(headers.get('bytes'), Uint8Array.of(1, 2));
    assert.equal(headers.text('text'), 'grün');
  });

  it('read text from a view on larger memory', () => {
    const memory = Buffer.from('..text..');
    assert.equal(new Headers([['a', new Uint8Array(memory.buffer, memory.byteOffset + 2, 4)]]).text('a'), 'text');
  });

  it('do not change: with and without make copies', () => {
    const headers = Headers.of({ a: '1', b: '2' });
    headers.with('c', '3');
    assert.deepEqual(shown(headers.without('a')), [['b', '2']]);
    assert.deepEqual(shown(headers), [
      ['a', '1'],
      ['b', '2'],
    ]);
  });

  it('are decoded when first touched, and once', () => {
    let decoded = 0;
    const headers = new Headers(() => {
      decoded++;
      return [['a', null]];
    });
    assert.equal(decoded, 0);
    assert.equal(headers.size, 1);
    assert.deepEqual(shown(headers), [['a', null]]);
    assert.equal(decoded, 1);
  });
});
