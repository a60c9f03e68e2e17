import { expect, test } from 'vitest';
import { chooseMirrors, parseDeb822, parseOneLine, renderSource } from '../../../src/server/apt_sources.ts';

const DEB822 = `# written by the installer
Types: deb deb-src
# a comment inside a stanza does not end it
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /keys/debian.gpg

Types: deb
uris: http://mirror.example/security
suites: bookworm-security
components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;

test('deb822: stanzas, comments, continued fields, field names in any case, disabled stanzas', () => {
  expect(parseDeb822(DEB822)).toEqual([
    {
      types: ['deb', 'deb-src'],
      uris: ['http://mirror.example/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main', 'contrib'],
      options: { 'signed-by': '/keys/debian.gpg' },
    },
    {
      types: ['deb'],
      uris: ['http://mirror.example/security'],
      suites: ['bookworm-security'],
      components: ['main'],
      options: {},
    },
  ]);
});

test('deb822: Windows line ends, no final newline, rubbish', () => {
  expect(parseDeb822('Types: deb\r\nURIs: http://a.example\r\nSuites: sid\r\nComponents: main')[0]?.suites).toEqual(['sid']);
  expect(parseDeb822('')).toEqual([]);
  expect(parseDeb822(' continued nothing\nno colon here\n\n:\n')).toEqual([]);
});

test('deb822: a key block survives into the rendered source', () => {
  const key = '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBGQ=\n -----END PGP PUBLIC KEY BLOCK-----';
  const text = `Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\nSigned-By:${key}\n`;
  const [mirror] = chooseMirrors(parseDeb822(text), 'trixie');
  expect(renderSource(mirror!, 'forky')).toBe(
    `Types: deb\nURIs: http://a.example/debian\nSuites: forky\nComponents: main\nsigned-by: ${key}\n`,
  );
});

test('one-line: options, several components, comments, sources, rubbish', () => {
  const text = `# deb http://commented.example/debian bookworm main
deb [ arch=amd64 signed-by=/keys/debian.gpg ] https://mirror.example/debian bookworm main contrib # why
deb-src http://mirror.example/debian bookworm main
deb [trusted=yes] file:/srv/mirror ./
nonsense
`;
  expect(parseOneLine(text)).toEqual([
    {
      types: ['deb'],
      uris: ['https://mirror.example/debian'],
      suites: ['bookworm'],
      components: ['main', 'contrib'],
      options: { arch: 'amd64', 'signed-by': '/keys/debian.gpg' },
    },
    { types: ['deb-src'], uris: ['http://mirror.example/debian'], suites: ['bookworm'], components: ['main'], options: {} },
    { types: ['deb'], uris: ['file:/srv/mirror'], suites: ['./'], components: [], options: { trusted: 'yes' } },
  ]);
});

test("mirrors: the machine's own release first, no security archive, no vendor without a plain suite, no disc, each once", () => {
  const sources = parseOneLine(`deb http://vendor.example/node nodistro main
deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_]/ bookworm main
deb http://cloud.example/apt cloud-sdk-bookworm main
deb http://rolling.example/debian testing main
deb http://mirror.example/security bookworm-security main
deb http://mirror.example/security bullseye/updates main
deb-src http://source.example/debian bookworm main
deb [signed-by=/keys/debian.gpg arch=amd64] http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main
deb http://nonfree.example/debian bookworm non-free
deb http://mirror.example/debian bookworm main
`);
  expect(chooseMirrors(sources, 'bookworm')).toEqual([
    { uri: 'http://mirror.example/debian', options: { 'signed-by': '/keys/debian.gpg' } }, // arch is not a matter of trust
    { uri: 'http://rolling.example/debian', options: {} },
    { uri: 'http://vendor.example/node', options: {} },
  ]);
});

test('mirrors: any host and any scheme apt knows', () => {
  const sources = parseDeb822(
    'Types: deb\nURIs: mirror+file:/etc/apt/mirrors.list ar+https://registry.example/debian\nSuites: stable\nComponents: main\n',
  );
  expect(chooseMirrors(sources, '').map((mirror) => mirror.uri)).toEqual([
    'mirror+file:/etc/apt/mirrors.list',
    'ar+https://registry.example/debian',
  ]);
});
