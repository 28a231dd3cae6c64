"""One day of event files: sessions, late events, copies, corrections, and one file rewritten."""

COLUMNS = """
    day integer, file_on date, hour integer, format varchar, line bigint, event_id varchar,
    user_id bigint, event_type varchar, page_url varchar, product_id bigint,
    occurred_at timestamp, device varchar, dirt varchar
"""
"""`day` is when the file was written; a file's rows of its last day are its content."""

NAMES = """
set variable hours = [0, 1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 12, 12,
    13, 13, 14, 14, 15, 15, 16, 16, 17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 19, 20, 20, 20, 21, 21,
    22, 23];
set variable formats = ['csv', 'jsonl', 'parquet'];
"""

NEW = """
create temp table fresh_events as
with sessions as (
    select
        session,
        daily('session', session) as luck,
        if(session <= 24, session - 1,
            getvariable('hours')[1 + bits(luck, 0, len(getvariable('hours')))]) as start_hour,
        later(getvariable('today'),
            start_hour * 3600 + bits(luck, 8, if(start_hour = 23, 3100, 3600))) as started_at,
        if(bits(luck, 20, 10) < 3, null,
            1 + bits(luck, 24, getvariable('known_users') + getvariable('users'))) as user_id,
        20 + bits(luck, 44, 60) as pace,
    from range(1, getvariable('sessions') + 1) as numbers (session)
),
steps as (
    select
        *,
        session * 5 + step as place,
        daily('event', place) as chance,
        later(started_at, step * pace) as occurred_at,
    from sessions, range(5) as numbers (step)
),
typed as (
    select
        *,
        if(step = 0, 'page_view',
            ['page_view', 'product_view', 'product_view', 'search', 'add_to_cart', 'checkout']
            [1 + bits(chance, 0, 6)]) as event_type,
        if(event_type in ('product_view', 'add_to_cart'),
            1 + bits(chance, 4, getvariable('known_products') + getvariable('products')), null)
            as product_id,
        bits(chance, 30, 100) as delay,
    from steps
)
select
    concat('evt-', left(md5(concat(getvariable('seed'), ':event:', getvariable('day'), ':', place)),
        20)) as event_id,
    user_id,
    event_type,
    case
        when product_id is not null then concat('/products/', product_id)
        when event_type = 'search' then concat('/search?q="mug, blue"&page=', bits(chance, 40, 9))
        when event_type = 'checkout' then '/checkout'
        else ['/', '/sale', '/about?utm=mail,spring', '/crème'][1 + bits(chance, 40, 4)]
    end as page_url,
    product_id,
    if(delay = 0, steps_at - interval 1 day, steps_at) as occurred_at,
    ['phone', 'desktop', 'tablet', null][1 + bits(luck, 52, 4)] as device,
    cast(least(23, date_part('hour', steps_at) + if(delay in (1, 2), delay, 0)) as integer) as hour,
    getvariable('formats')[1 + hour % 3] as format,
    0 as copy,
from (select * exclude (occurred_at), occurred_at as steps_at from typed)
"""

DIRTIED = """
create temp table dirtied_events as
with shuffled as (
    select
        *,
        row_number() over (partition by format order by daily('event.dirt', event_id)) as place,
        (1 + count(*) over (partition by format)) // 2 as most,
    from fresh_events
)
select shuffled.* exclude (place, most), plan.kind as dirt
from shuffled
left join plan
    on plan.table_name = 'events' and shuffled.format = plan.format
    and shuffled.place <= shuffled.most
    and shuffled.place > plan.low and shuffled.place <= plan.high
"""

COPIES = """
create temp table copied_events as
with shuffled as (
    select *, row_number() over (order by daily('event.copy', event_id)) as place
    from dirtied_events
    where dirt is null
),
bounds as (
    select
        getvariable('event_same_copies') as same,
        same + getvariable('event_next_copies') as next,
        next + getvariable('event_corrections') as corrected,
)
select
    shuffled.* exclude (place, hour, format, copy, page_url),
    if(place > next, concat(page_url, '#corrected'), page_url) as page_url,
    if(place > same, least(hour + 1, 23), hour) as hour,
    getvariable('formats')[1 + if(place > same, least(hour + 1, 23), hour) % 3] as format,
    1 as copy,
from shuffled, bounds
where place <= corrected
union all by name
select
    events.* exclude (day, file_on, line, dirt, hour, format, device),
    cast(daily_pick('event.old', event_id, 24) as integer) as hour,
    getvariable('formats')[1 + daily_pick('event.old', event_id, 24) % 3] as format,
    cast(null as varchar) as device,
    1 as copy,
    cast(null as varchar) as dirt,
from events
where day = getvariable('day') - 1 and file_on = cast(getvariable('today') as date) - 1
    and dirt is null
qualify row_number() over (order by daily('event.old', event_id), line)
    <= getvariable('event_old_copies')
"""

REWRITTEN = """
create temp table rewritten_events as
with yesterday as (
    select * from events
    where day = getvariable('day') - 1 and file_on = cast(getvariable('today') as date) - 1
        and format = if(getvariable('day') % 2 = 0, 'csv', 'jsonl')
),
chosen as (
    select hour
    from yesterday
    left join fates on fates.table_name = 'events' and yesterday.dirt = fates.kind
    group by hour
    order by count(fates.kind) filter (fates.outcome = 'reject') desc, hour
    limit 1
),
content as (
    select
        yesterday.*,
        fates.outcome = 'reject' as is_rejected,
        row_number() over (partition by is_rejected order by line) as place,
        daily_pick('event.rewritten', concat(event_id, ':', line), 20) as luck,
    from yesterday
    inner join chosen using (hour)
    left join fates on fates.table_name = 'events' and yesterday.dirt = fates.kind
),
kept as (
    select
        * exclude (day, line, place, luck, is_rejected, dirt, page_url),
        if(dirt is null and luck = 1, concat(page_url, '#rewritten'), page_url) as page_url,
        if(is_rejected and place > 1, null, dirt) as dirt,
        line as copy,
    from content
    where not (dirt is null and luck = 0)
),
added as (
    select
        concat('evt-', left(md5(concat(getvariable('seed'), ':added:', getvariable('day'), ':',
            place)), 20)) as event_id,
        'page_view' as event_type,
        '/late' as page_url,
        later(getvariable('today') - interval 1 day, hour * 3600 + place * 7) as occurred_at,
        (select any_value(file_on) from yesterday) as file_on,
        hour,
        (select any_value(format) from yesterday) as format,
        0 as copy,
    from chosen, range(getvariable('events_added')) as numbers (place)
)
select * from kept
union all by name
select * from added
"""

ALL = """
create temp table new_events as
with rows as (
    select *, cast(getvariable('today') as date) as file_on from dirtied_events
    union all by name
    select *, cast(getvariable('today') as date) as file_on from copied_events
    union all by name
    select * from rewritten_events
)
select
    getvariable('day') as day,
    * exclude (copy, device),
    if(getvariable('day') >= getvariable('new_columns_day'), device, null) as device,
    row_number() over (
        partition by file_on, hour
        order by coalesce(dirt, '') = 'open_quote', occurred_at, event_id, copy
    ) as line,
from rows
"""
