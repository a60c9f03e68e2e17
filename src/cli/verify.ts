// `verify`: are all values what the log says they should be?
import type { Command } from 'commander';
import { VisageError } from '../base/errors.ts';
import type { Difference } from '../oracle/compare.ts';
import type { Client } from '../worker/client.ts';
import { command, wholeNumber, withClient, type CommonOptions } from './command.ts';
import { print, printJson } from './output.ts';
import { verifyRoot, type VerifyReport } from './verify_root.ts';

export function registerVerify(program: Command): void {
  command(
    program,
    'verify',
    'recompute profiles from the log by brute force and print each difference; check that no change event is missing or doubled',
    'verify --sample 1000 --config worker.yaml',
  )
    .option('--sample <count>', 'compare only so many profiles', wholeNumber(1))
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions & { readonly sample?: number }) => {
      const report = await withClient(options, async (client) => {
        await refuseHalted(client);
        return verifyRoot(client, options.sample === undefined ? {} : { sample: options.sample });
      });
      if (options.json === true) await printJson(report);
      else for (const line of describe(report)) await print(line);
      if (!report.verified) throw new VisageError('not_verified', conclusion(report));
    });
}

async function refuseHalted(client: Client): Promise<void> {
  const halted = (await client.status()).shards.filter((shard) => shard.state === 'halted');
  if (halted.length > 0)
    throw new VisageError(
      'shard_halted',
      `not verified: ${halted.map((shard) => `shard ${shard.shard} is halted: ${shard.reason}`).join('; ')}`,
    );
}

function describe(report: VerifyReport): string[] {
  const { profiles, compared, chains } = report;
  const lines = report.differences.map(describeDifference);
  lines.push(...chains.problems.map((problem) => `change events: ${problem}`));
  if (report.unverifiable !== null) lines.push(`unverifiable: ${report.unverifiable}`);
  else
    lines.push(
      `${compared} of ${profiles} profiles recomputed from sequence ${report.fromSequence} on: ` +
        `${report.events} events, ${report.duplicates} duplicates, ${report.refused} refused; ${report.differenceCount} differences`,
    );
  if (report.records + report.stale + report.dead > 0)
    lines.push(
      `${report.records} writes to records; not counted are ${report.stale} that an older time had, ${report.dead} of before a delete`,
    );
  if (report.pendingExpiries > 0)
    lines.push(`${report.pendingExpiries} of them as of just before a change that was due at the moment of the cut`);
  if (report.inexact > 0)
    lines.push(`${report.inexact} values that say they are tiled or sampled: compared with what their precision promises`);
  if (chains.whole)
    lines.push(
      `${chains.events} change events: ${chains.problemCount === 0 ? 'none missing, none twice' : `${chains.problemCount} problems`}`,
    );
  else lines.push('the change stream no longer has its beginning: chains of change events were not checked');
  if (report.verified) lines.push(`verified in ${(report.tookMs / 1000).toFixed(1)} s`);
  return lines;
}

function describeDifference({ profile, path, exported, expected }: Difference): string {
  return `${profile}  ${path}: is ${text(exported)}, should be ${text(expected)}`;
}

function text(value: unknown): string {
  return value === undefined ? 'absent' : JSON.stringify(value);
}

function conclusion(report: VerifyReport): string {
  if (report.unverifiable !== null) return `not verified: ${report.unverifiable}`;
  return `not verified: ${report.differenceCount} differences, ${report.chains.problemCount} problems with change events`;
}
