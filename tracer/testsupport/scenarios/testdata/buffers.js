// A list of buffers grows. They are outside of the heap of V8.
const fs = require('fs');

const out = fs.openSync(process.env.TRUTH, 'a');
const kept = [];
let asked = 0;
let next = 0;

function receiveUpload() {
  kept.push(Buffer.alloc(50000, 1));
  asked += 50000;
}

setInterval(() => {
  receiveUpload();
  const now = Date.now();
  if (now >= next) {
    fs.writeSync(out, `${now}000000 ${process.pid} ${asked} ${asked}\n`);
    next = now + 100;
  }
}, 20);
