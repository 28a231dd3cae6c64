"""One day of products: new ones, new prices, some taken off the shelf."""

COLUMNS = """
    day integer, id bigint, sku varchar, name varchar, category varchar, price_cents bigint,
    currency varchar, is_active boolean, created_at timestamp, updated_at timestamp,
    deleted_at timestamp, dirt varchar
"""

NAMES = """
set variable colours = ['Blue', 'Red', 'Oak', 'Steel', 'Linen', 'Sea-green', 'Plain', 'Crème'];
set variable things = ['Mug', 'Lamp', 'Chair, folding', 'Kettle', 'Blanket', '12" Plate', 'Clock'];
set variable categories = ['kitchen', 'living', 'garden', 'office', 'bath'];
"""

NEW = """
create temp table fresh_products as
select
    getvariable('known_products') + place as id,
    printf('SKU-%05d', id) as sku,
    concat(
        one_of(getvariable('colours'), 'product.colour', id), ' ',
        one_of(getvariable('things'), 'product.thing', id)
    ) as name,
    one_of(getvariable('categories'), 'product.category', id) as category,
    199 + pick('product.price', id, 15000) as price_cents,
    'EUR' as currency,
    pick('product.active', id, 20) > 0 as is_active,
    spread(place, getvariable('products')) as created_at,
    part_of(created_at, getvariable('window_end'), 'product.updated', id) as updated_at,
    cast(null as timestamp) as deleted_at,
    'new' as origin,
from range(1, getvariable('products') + 1) as numbers (place)
"""

CHANGED = """
create temp table stirred_products as
with latest as (
    select * from products qualify row_number() over (partition by id order by day desc) = 1
),
chosen as (
    select
        * exclude (updated_at),
        this_day('product.updated', id) as updated_at,
        row_number() over (partition by dirt is null order by daily('product.chosen', id)) as place,
    from latest
    where deleted_at is null
)
select
    * exclude (day, dirt, place, price_cents, deleted_at),
    if(dirt is null and place <= getvariable('products_changed'),
        price_cents + 50 + daily_pick('product.price', id, 200), price_cents) as price_cents,
    if(dirt is null and place > getvariable('products_changed'), updated_at, null) as deleted_at,
    if(dirt is null, 'changed', 'repaired') as origin,
from chosen
where
    (dirt is null and place <= getvariable('products_changed') + getvariable('products_deleted'))
    or (dirt is not null and place <= getvariable('products_repaired'))
"""

ALL = """
create temp table new_products as
with rows as (
    select * from fresh_products
    union all by name
    select * from stirred_products
),
shuffled as (
    select
        *,
        row_number() over (partition by origin order by daily('product.dirt', id)) as place,
        (1 + count(*) over (partition by origin)) // 2 as most,
    from rows
),
dirtied as (
    select shuffled.*, plan.kind as dirt
    from shuffled
    left join plan
        on plan.table_name = 'products' and plan.origin = shuffled.origin
        and shuffled.place <= shuffled.most
        and shuffled.place > plan.low and shuffled.place <= plan.high
),
ranked as (
    select
        *,
        row_number() over (partition by dirt is null order by daily('product.tie', id))
            as clean_place,
    from dirtied
)
select
    getvariable('day') as day,
    * exclude (updated_at, origin, place, most, clean_place),
    if(dirt is null and clean_place <= 3, last_moment(), updated_at) as updated_at,
from ranked
"""
