"""One day of users: new ones, changed ones, and ones repaired since they were dirty."""

COLUMNS = """
    day integer, id bigint, email varchar, first_name varchar, last_name varchar, phone varchar,
    country_code varchar, is_marketing_opt_in boolean, created_at timestamp, updated_at timestamp,
    loyalty_tier varchar, cosmetic integer, copy varchar, dirt varchar
"""
"""`cosmetic` 1 mixes case, 2 pads, 3 does both; `copy` says that the API shows the row twice."""

NAMES = """
set variable first_names = ['Ada', 'Zoë', 'Łukasz', 'Grace', 'Nguyễn', 'Maria', 'John', 'Émile',
    'Fatima', 'Olga', 'Kenji', 'Amara', 'Liam', 'Sofía', 'Noah', 'Ingrid', 'Mateo', 'Aisha'];
set variable first_ascii = ['ada', 'zoe', 'lukasz', 'grace', 'nguyen', 'maria', 'john', 'emile',
    'fatima', 'olga', 'kenji', 'amara', 'liam', 'sofia', 'noah', 'ingrid', 'mateo', 'aisha'];
set variable last_names = ['Lovelace', 'O''Brien', 'Müller', 'García', 'Smith, Jr.', 'Kowalski',
    'van der Berg', 'Østergård', 'Okafor', 'Tanaka', 'Ivanova', 'Dupont', 'Rossi', 'Haddad'];
set variable last_ascii = ['lovelace', 'obrien', 'muller', 'garcia', 'smith', 'kowalski',
    'vandenberg', 'ostergard', 'okafor', 'tanaka', 'ivanova', 'dupont', 'rossi', 'haddad'];
set variable domains = ['example.com', 'example.org', 'mail.example', 'post.example.net'];
set variable countries = ['DE', 'US', 'GB', 'FR', 'ES', 'PL', 'NL', 'IT', 'SE', 'JP'];
"""

NEW = """
create temp table fresh_users as
with numbered as (
    select
        getvariable('known_users') + place as id,
        1 + pick('user.first', id, len(getvariable('first_names'))) as first_place,
        1 + pick('user.last', id, len(getvariable('last_names'))) as last_place,
        later(spread(place, getvariable('users')), pick('user.jitter', id, 60)) as created_at,
    from range(1, getvariable('users') + 1) as numbers (place)
)
select
    id,
    concat(
        getvariable('first_ascii')[first_place], '.', getvariable('last_ascii')[last_place], id,
        '@',
        case when pick('user.blocked', id, 50) = 0 then 'blocked.example'
        else one_of(getvariable('domains'), 'user.domain', id) end
    ) as email,
    if(pick('user.nameless', id, 50) = 0, null, getvariable('first_names')[first_place])
        as first_name,
    if(pick('user.nameless', id, 50) in (0, 1), null, getvariable('last_names')[last_place])
        as last_name,
    if(pick('user.phoneless', id, 10) = 0, null,
        concat('0', 7000000000 + pick('user.phone', id, 999999999))) as phone,
    if(pick('user.stateless', id, 25) = 0, null,
        one_of(getvariable('countries'), 'user.country', id)) as country_code,
    case
        when pick('user.opt_in', id, 10) < 6 then true
        when pick('user.opt_in', id, 10) < 9 then false
    end as is_marketing_opt_in,
    created_at,
    case
        when getvariable('day') = 1 and id % 40 = 7 and id * 10 < getvariable('users') * 6
            then timestamp '2025-11-11 11:11:11'
        when pick('user.touched', id, 10) < 4
            then part_of(created_at, getvariable('window_end'), 'user.updated', id)
        else created_at
    end as updated_at,
    'new' as origin,
from numbered
"""

CHANGED = """
create temp table stirred_users as
with latest as (
    select * from users qualify row_number() over (partition by id order by day desc) = 1
),
chosen as (
    select
        *,
        row_number() over (partition by dirt is null order by daily('user.chosen', id)) as place,
    from latest
)
select
    id,
    if(daily_pick('user.change', id, 4) = 0 and dirt is null, concat('new.', email), email)
        as email,
    first_name,
    if(daily_pick('user.change', id, 4) = 1 and dirt is null,
        one_of(getvariable('last_names'), 'user.married', id), last_name) as last_name,
    if(daily_pick('user.change', id, 4) = 2 and dirt is null,
        concat('0', 7000000000 + daily_pick('user.phone', id, 999999999)), phone) as phone,
    country_code,
    if(daily_pick('user.change', id, 4) = 3 and dirt is null,
        not coalesce(is_marketing_opt_in, false), is_marketing_opt_in) as is_marketing_opt_in,
    created_at,
    this_day('user.updated', id) as updated_at,
    if(dirt is null, 'changed', 'repaired') as origin,
from chosen
where
    (dirt is null and place <= getvariable('users_changed'))
    or (dirt is not null and place <= getvariable('users_repaired'))
"""

ALL = """
create temp table new_users as
with rows as (
    select * from fresh_users
    union all by name
    select * from stirred_users
),
shuffled as (
    select
        *,
        row_number() over (partition by origin order by daily('user.dirt', id)) as place,
        (1 + count(*) over (partition by origin)) // 2 as most,
    from rows
),
dirtied as (
    select shuffled.*, plan.kind as dirt
    from shuffled
    left join plan
        on plan.table_name = 'users' and plan.origin = shuffled.origin
        and shuffled.place <= shuffled.most
        and shuffled.place > plan.low and shuffled.place <= plan.high
),
ranked as (
    select
        *,
        row_number() over (partition by dirt is null order by daily('user.tie', id)) as clean_place,
    from dirtied
)
select
    getvariable('day') as day,
    * exclude (updated_at, origin, place, most, clean_place),
    if(dirt is null and clean_place <= 3, last_moment(), updated_at) as updated_at,
    case when getvariable('day') >= getvariable('new_columns_day')
        then ['bronze', 'silver', 'gold', null][1 + pick('user.tier', id, 4)] end as loyalty_tier,
    case
        when daily_pick('user.cosmetic', id, 20) < 3 then 1
        when daily_pick('user.cosmetic', id, 20) < 4 then 2
        when daily_pick('user.cosmetic', id, 20) < 5 then 3
        else 0
    end as cosmetic,
    case
        when dirt is not null or clean_place <= 3 then null
        when clean_place <= 3 + getvariable('user_same_copies') then 'same'
        when clean_place
            <= 3 + getvariable('user_same_copies') + getvariable('user_stale_copies') then 'stale'
    end as copy,
from ranked
"""
