import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { suite, test } from 'node:test';
import { askPassword } from '../../src/cli/ask-password.ts';

/** A terminal, what was written to it, and what is typed on it. */
class FakeTerminal extends EventEmitter<{ data: [Buffer] }> {
  readonly isTTY = true;
  readonly written: string[] = [];
  readonly calls: string[] = [];

  setRawMode(isRaw: boolean): void {
    this.calls.push(isRaw ? 'raw' : 'cooked');
  }
  resume(): void {
    this.calls.push('resume');
  }
  pause(): void {
    this.calls.push('pause');
  }
  write(text: string): void {
    this.written.push(text);
  }
}

async function typed(...chunks: readonly (string | Buffer)[]) {
  const terminal = new FakeTerminal();
  const asked = askPassword('Password: ', { input: terminal, output: terminal });
  for (const chunk of chunks) terminal.emit('data', Buffer.from(chunk));
  return { password: await asked, terminal };
}

suite('a password that is asked for', () => {
  test('is what was typed up to the end of the line, and is never shown', async () => {
    const { password, terminal } = await typed('pass', 'w', 'ört €\r', 'more');
    assert.equal(password, 'passwört €');
    assert.deepEqual(terminal.written, ['Password: ', '\n']);
  });

  test('leaves the terminal as it was, also where it was given up', async () => {
    for (const end of ['x\n', '\u0003', '\u0004']) {
      const { terminal } = await typed(end);
      assert.deepEqual(terminal.calls, ['raw', 'resume', 'pause', 'cooked']);
      assert.equal(terminal.listenerCount('data'), 0);
    }
  });

  test('can be corrected, by a whole character and as a whole', async () => {
    assert.equal((await typed('ab€\u007f\u007fc\r')).password, 'ac');
    assert.equal((await typed('wrong\u0015right\r')).password, 'right');
    assert.equal((await typed('\u007f\r')).password, '');
  });

  test('is none where it was given up, or does not end', async () => {
    assert.equal((await typed('abc\u0003')).password, null);
    assert.equal((await typed('abc\u0004')).password, null);
    assert.equal((await typed('x'.repeat(1025))).password, null);
  });

  test('is read whole where its bytes come apart', async () => {
    const bytes = Buffer.from('€');
    assert.equal((await typed(bytes.subarray(0, 1), bytes.subarray(1), '\r')).password, '€');
  });
});
