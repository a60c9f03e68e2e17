// The demo, unattended: it verifies what it did, and it can fail.
import { expect, test } from 'vitest';
import { start, ended } from './program.ts';

test('--exit verifies everything; with --sabotage it does not', async () => {
  const [good, bad] = await Promise.all([
    ended(start(['demo', '--exit', '--events', '2000'])),
    ended(start(['demo', '--exit', '--events', '1000', '--sabotage'])),
  ]);
  expect(good.stderr).toBe('');
  const summary = JSON.parse(good.stdout.trimEnd().split('\n').at(-1)!) as Record<string, number>;
  expect(summary).toMatchObject({ events: 2000, applied: 2000, verified: true, lost: 0, repeated: 0 });
  expect(summary.deadLettered).toBeGreaterThan(0);
  expect(summary.latenessMs).toBeLessThan(2_000);
  expect(good.stdout).toMatch(/spend30s absent → 25\.00[^]*kill -9[^]*spend30s 25\.00 → 0\.00[^]*: 0 differences/);
  expect(good.code).toBe(0);

  const failed = JSON.parse(bad.stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
  expect(failed.verified).toBe(false);
  expect(bad.stdout).toContain('sabotage: one value');
  expect(bad.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(bad.code).toBe(1);
});
