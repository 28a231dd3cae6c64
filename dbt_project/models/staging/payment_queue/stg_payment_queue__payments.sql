select
    payment_id,
    order_id,
    cast(amount as numeric(18, 2)) as amount,
    -- what it adds to what is paid of the order
    cast(
        case status when 'succeeded' then amount when 'refunded' then -amount else 0 end
        as numeric(18, 2)
    ) as signed_amount,
    currency,
    method,
    status,
    {{ utc('paid_at') }} as paid_at,
    _load_id
from {{ ref('base_payment_queue__payments') }}
where _is_current and reasons is null
