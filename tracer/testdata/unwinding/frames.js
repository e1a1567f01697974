// SPDX-License-Identifier: Apache-2.0
//
// The same as frames.c for node, whose thread pool runs C and C++ alone.

'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const readline = require('readline');

const data = Buffer.alloc(200000, 'memory ');

function work(done) {
  let left = 0;
  const end = () => { if (--left === 0) done(); };
  const start = (f) => { left++; f(end); };
  start((cb) => crypto.scrypt('password', 'salt', 32, { N: 1024 }, cb));
  start((cb) => crypto.pbkdf2('password', 'salt', 100, 32, 'sha256', cb));
  start((cb) => zlib.gzip(data, cb));
  start((cb) => zlib.brotliCompress(data.subarray(0, 20000), cb));
  start((cb) => crypto.generateKeyPair('ec', { namedCurve: 'P-256' }, cb));
  zlib.inflateSync(zlib.deflateSync(data));
  crypto.createHash('sha512').update(data).digest();
}

function repeat(n, done) {
  if (n === 0) done();
  else work(() => repeat(n - 1, done));
}

repeat(3, () => {
  console.log('ready ' + process.pid);
  readline.createInterface({ input: process.stdin }).on('line', () => {
    // Which thread of the pool finds its heap too small is a matter of chance: once
    // may show few stacks.
    repeat(10, () => {
      Buffer.allocUnsafeSlow(0xbeef000);
      console.log('done');
    });
  });
});
