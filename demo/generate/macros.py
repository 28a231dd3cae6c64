"""Draws, money and texts that all entities share: pure functions of the seed and a name."""

MACROS = r"""
create macro draw(name, key) as md5_number_lower(concat(getvariable('seed'), ':', name, ':', key));
create macro pick(name, key, sides) as cast(draw(name, key) % sides as bigint);
create macro daily(name, key) as draw(concat(name, ':', getvariable('day')), key);
create macro daily_pick(name, key, sides) as cast(daily(name, key) % sides as bigint);
create macro bits(number, skipped, sides) as cast((number >> skipped) % sides as bigint);
create macro one_of(choices, name, key) as choices[1 + pick(name, key, len(choices))];
create macro later(moment, seconds) as
    cast(moment as timestamp) + to_seconds(cast(seconds as bigint));
create macro seconds_between(earlier, until) as
    (epoch_us(cast(until as timestamp)) - epoch_us(cast(earlier as timestamp))) // 1000000;
create macro money(cents) as cast(cast(cents as decimal(18, 0)) * 0.01 as decimal(18, 2));
create macro iso(moment) as strftime(cast(moment as timestamp), '%Y-%m-%dT%H:%M:%SZ');

create macro spread(place, total) as later(
    getvariable('window_start'),
    (seconds_between(getvariable('window_start'), getvariable('window_end')) * place) // (total + 1)
);
create macro part_of(earlier, until, name, key) as later(
    earlier, (seconds_between(earlier, until) * pick(name, key, 1000)) // 1000
);
create macro this_day(name, key) as later(getvariable('today'), daily_pick(name, key, 72000));
create macro last_moment() as
    cast(getvariable('today') as timestamp) + interval '23 hours 30 minutes';
"""
"""`last_moment()` is the day's greatest updated_at, at which three clean rows of a table tie."""
