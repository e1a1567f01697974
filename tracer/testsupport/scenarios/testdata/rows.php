<?php
// An array of rows grows. PHP takes memory for them by whole chunks of 2 MB.
$out = fopen(getenv('TRUTH'), 'a');
$rows = [];
$next = 0;

function fetch_row(int $i): array
{
    return ['id' => $i, 'name' => str_repeat('n', 400)];
}

for ($i = 0; ; $i++) {
    $rows[] = fetch_row($i);
    $now = (int) (microtime(true) * 1000);
    if ($now >= $next) {
        fwrite($out, sprintf("%d000000 %d 0 0\n", $now, getmypid()));
        $next = $now + 100;
    }
    usleep(300);
}
