import { describe, expect, it } from 'vitest';
import { splitSubject } from '../../../src/message/decode.ts';
import {
  apiSubject,
  changesSubject,
  controlSubject,
  deadSubject,
  inputSubject,
  shardLogPrefix,
  topologyOf,
} from '../../../src/message/subject.ts';

const ADA = { namespace: 'email', id: 'ada@example.com' };

describe('subjects', () => {
  it('spells them', () => {
    expect(inputSubject('visage', 'orders', ADA)).toBe('visage.in.orders.email.ada%40example%2Ecom');
    expect(inputSubject('visage', '_profile', ADA)).toBe('visage.in._profile.email.ada%40example%2Ecom');
    expect(shardLogPrefix('visage', 3)).toBe('visage.log.3.');
    expect(controlSubject('visage', 3, 'tick')).toBe('visage.log.3.ctl.tick');
    expect(changesSubject('visage', 3)).toBe('visage.changes.3');
    expect(deadSubject('visage', 3, 'orders')).toBe('visage.dead.3.orders');
    expect(apiSubject('visage', 'get')).toBe('visage.api.get');
    expect(topologyOf('shop-1')).toEqual({
      root: 'shop-1',
      logStream: 'SHOP-1_LOG',
      changesStream: 'SHOP-1_CHANGES',
      deadStream: 'SHOP-1_DEAD',
      leasesBucket: 'shop-1_leases',
      metaBucket: 'shop-1_meta',
      snapshotsBucket: 'shop-1_snapshots',
    });
  });

  it('lets no hostile dataset token into a subject', () => {
    for (const dataset of ['', 'Orders', 'a.b', '*', '>', '_profile', 'a b', 'ö'])
      expect(deadSubject('visage', 0, dataset)).toBe('visage.dead.0._');
    for (const dataset of ['', 'Orders', 'a.b', '*', '>', '_Profile', '_profile.x'])
      expect(() => inputSubject('visage', dataset, ADA)).toThrow(/is not a dataset name/);
  });

  it('refuses roots that are none', () => {
    for (const root of ['', 'Visage', '1a', 'a.b', 'a*', 'x'.repeat(33)]) expect(() => topologyOf(root)).toThrow(/is not usable/);
  });

  it('splits into exactly three tokens', () => {
    const split = (rest: string) => splitSubject(`visage.log.3.in.${rest}`, 'visage.log.3.in.'.length);
    expect(split('orders.email.ada%40example%2Ecom')).toEqual({
      dataset: 'orders',
      namespace: 'email',
      token: 'ada%40example%2Ecom',
      key: 'email.ada%40example%2Ecom',
    });
    for (const rest of ['', 'orders', 'orders.email', 'orders.email.', 'orders.email.a.b', 'orders.email.a.'])
      expect(split(rest), rest).toBeUndefined();
  });
});
