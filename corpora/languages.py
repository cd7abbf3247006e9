"""The letters of some languages, most frequent first, and the encodings they are written in.

The order of the Chinese, Japanese and Korean characters was derived from the probabilities of the pieces in
XLM-R's vocabulary (Conneau et al., ACL 2020); the alphabets are common knowledge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

_HAN: Final = (
    "的一是人在有不了大中我上年以要和到生出用日能国行可多会自家他方作这个就成地来分下也为本新事公好都"
    "合理最時全前学时子心们工你得高定月法力者同所市发品小面业对之天而為性看部很入美加主手如會等度及外"
    "化提意文重情更于個其然通道這但目相想过因表展活來使利经感果金后起去次期保现物今名間体说知第國業特"
    "思動場後位安民信台当那明教开常进比社司正回实着代些建身动平己内程持式里政過三此開女解还受管已服學"
    "量只么或产制水与現关商與系們机立被客做各機少真於由点發技没件示世海何近言影對交元見基接将数场她色"
    "任供路先需务长取向格電十科网间至店考界二原每完求资西直企老北非球無从口料長放种院再并必打员設容流"
    "造电共經指样应推才食斯问设区進什研改收友整具投務始集把神空育資車體快注题包網山問房說又気告南您息"
    "著支无限還光型站校報消精越住選將治让车望計片计案實太候据點當两員像話万便引未深書城助內布报术關走"
    "增易讓效给超它題形首步產士種究施結境英且局記反配门总區强花四查白味周男切功私款除沒足源演参音良规"
    "清照京器存孩旅病置並联认结德府介速香段即算字项愛率運低認省记统创早根克专话約东拉吃港游五导費東質"
    "付该別酒别初素健應委模喜医象价希送户标命修往請变眼单费条值調落買跟実從处術达際強失達选找战领防列"
    "星致队例域確带普师樣办几版份质组决師百运念康景價專線际風免州广麼林購调传様议习头待策王連论济室视"
    "福排數升尔頭遊气准半門依材留画证享牌确玩见樂赛決级印組兩発状害备灣統风爱吧優股單书断融故怎巴米益"
    "乐氣視創角觉史青马充线死环笑底帶導備善团申呢登火官給予儿阿难售律対类权识朋裡互亚居况類卡华控另富"
    "续語营婚号土博微群議止节般较母承處党習观装请声古論関餐油環义班適优節規智變差製石試張否称构変责護"
    "验傳族约座夫透试按密章括季標難突熱屋園军江够村曾親拿降写尼票萬較晚历洲张警核转團彩令培該許裝拍划"
    "随图奇態争干响觀千總歌移辦众职含識哪却许黑若显聞參获护項航庭覺满极久略午終李血志吸六仅圖細革続判"
    "破罗均边短维甚夜欢板迎續态楽激停威语则義协準宣職采追係假销休遇险探療复皮举華势担驗父刻索則八答似"
    "肉紹簡背察障买預终预歡席离媒離木畫波仕聯級滿啊篇馬汽批訊營幸借評析某毛號趣轉播乎野范醫钱积热九況"
    "亿構养戶听述监仍館田套评領困亲痛朝远隊苦择兒載違副急幾哈協端连努邦简疑衣春廣典帮売據购戰细澳央願"
    "養證左眾経患农独招宝響興退适右织河番彼守慢菜症负課童永轻街温戲双迷維讲冷極応曲呼夏頂洗輕欧七額佳"
    "财严训危武疗邊读權講戏尽獲届属露税賽川附條換吗叫兴操救宿促卻岁派込飯積坚映妈哥亮授藝击检亞返测談"
    "円虽序穿避惠粉错缺負刚络围竟幕盟沙週秀銀坐占湖飲课舉雨伴兰訂紅靠倒熟挑堂艺臺援茶減皆诉纪稱染继银"
    "余勢愿舞宜概草层遠産貸島隨怕讀効藏巨寶搭既紧雄験跑謝擇肌森攻洋奖架顯审葉復须园箱飞红価牛云読毒爾"
    "床貨昨異銷抗溫睡聲劇卫犯督射罪幫压药距伊束雙牙句聽詳頁编測軍松宅夠执谈搜竞伤残折尚痞雖聚幅途阳歷"
    "础爸錢編延漫飛握屬录忘練盛錯狀黃責纳秘雷绝紀獨零访尤租额補俄禮逐訪絡固肯货寫勝層嗎掉吉討錄符尋爆"
    "散稳雪末採拥壓歲减烈媽恐蛋劃黄频農抱獎財県忙恩奥廠县姐韓佛亦朗谢托刷傷検署杯宗泰址估植査僅脑贸縣"
    "龙措夢闻累禁换绍説斷陸签催檢妹須耳翻舒顧魔妻亡唱雅苏软临濟弟喝醒船硬軟賣练圈順麻誰腦券麗毕戦樓剧"
    "冰薦刺龍震倍封弱欲陽暴絕兵納铁掌録羅奶涉楚徒池征浪详怪币楼伝顾聖酸钟疾裁擊潮単补役替攝馆摩遭緊混"
    "巧描块冬險液脱藥献滑鮮瑞阶静斗擁増迪骨販丁営悪码繼祝脸秋厚審谁糖冠岸暖甲慧抓筆歐岛谷载擔魚乘鐘陈"
    "蘭陳塔输階築幼玉乳梦繁唯証丰鼓割厂監寄緒広億悉绩峰籍敢尊卖膚召紙範織暗靈啦勇梅筑胜丽针虑貼挥综毎"
    "豪豐邀跳讨陆輸衛韩跨嚴収遍洛圍爭懂乾偏観抽讯値庆咖皇询驚湾転賞狗宁礼伯貴棒库顺振詢塞沉劳触抵甜鐵"
    "歩執敏臨殺訴複冲贵轮廳异剛键损競莫盡伙訓隔镇污袋鬆針鄉嘉嫌飾殊灵宇刘働怀默耐頻絲済违泛閱焦鏡鍵捷"
    "雲氏豆蒙庫黨診膠聊旗娱帝杀乡曼厅"
)
_HANGUL: Final = (
    "이다는에의하을지가고기한로사서니은시인도리를자대스수있어아해정보제그나장일라전주으들상게과부요원"
    "만성트여구적국면소용공동습문것비마신우위경드회화개세모오관미내진할안되중무유생조선업입했학연와교"
    "영터계간거실분등치년데출행방재명야합운바발산통단러호당식음었작며프체금포없물저까예차타된말역더후"
    "매월강최설현려양품결건남않크감반법및때민본임료래각레파카디히노점력직추배르청천심표번속함글토약두"
    "능피람록목집처같버권종불좋난김외많복또달페른형알던코특항울네든편변준환태질증활근술격박평석초따확"
    "육판급티루책님험광브너참키메필열별올날온북런린께담립독련언테새투절송색겠았걸론살플워랑즈군검였블"
    "창향름받애택길텔잘승접축뉴커션못란될느류베족순취곳늘규림병친손객럼협령케백머황패씨채침츠희망누악"
    "완클존돌량총충찾센볼맞녀앞억먹얼막져움됩삼극큰팅램철견싶획효랜응답줄밀엔빠퍼갈범겨락혼홍잡눈벌쓰"
    "팀홈착됐익콜쟁렇숙논넷골링째휴허귀엄액맛템농폰탄럽폭십봉례득뷰밝첫율먼힘쪽탈찰콘떤죠벤졌넘긴측몰"
    "층릴샵슬핑혜암텐랍웨끝탁갖풍셔놀념쳐"
)
_KANA: Final = (
    "のいしでてにとなたすがまるをはかっもうれりこらくきんあさだおよけそどえせやめつわちみごばじろょね"
    "ずべほゃげへびむざひぐぶぎぜぞゆづふぱぼぁぬぽぷぴぇぺぃぉぅーンストイルックリアラタプレシドフロ"
    "メサジコテグカマバムキブチビデパィャセニオエウュョネナダポミェケズペベホワツモピハザボァソガノォ"
    "ゲギゴヤユヒゼヘヨヴゾヌ"
)
_FULL_WIDTH: Final = "，。、：；？！（）“”‘’《》【】「」『』—…·‧～－／％〈〉．\u3000"
_SIGNS: Final = "’“”„–—…«»°§€•·©®£‘‚×½²³µ±¿¡´¨\xa0"


@dataclass(frozen=True)
class Language:
    """``letters``: the letters outside ASCII, most frequent first; only those that ``charset`` can encode
    count (for example Simplified Chinese). ``signs``: punctuation outside ASCII.

    ``beside_ascii`` and ``stretch`` are costs in nats (see `hybrid.corpora.plausibility`): of a letter next
    to an ASCII letter, and of each run of characters outside ASCII. ``share``: the share of letters outside
    ASCII among all letters, for Latin alphabets.
    """

    letters: str
    signs: str
    charset: str = "utf-8"
    beside_ascii: float = 0
    stretch: float = 0
    share: float | None = None


def _asian(letters: str, charset: str) -> Language:
    return Language(letters, _FULL_WIDTH, charset, beside_ascii=1)


def _alphabet(letters: str) -> Language:
    return Language(letters, _SIGNS, beside_ascii=5, stretch=4)


def _latin(share: float, letters: str) -> Language:
    return Language(letters, _SIGNS, share=share)


_WESTERN: Final = (
    _latin(0.02, "üäößé"),  # German
    _latin(0.035, "éèàêçôîûùâœëïæ"),  # French
    _latin(0.025, "óíáéñúü"),  # Spanish
    _latin(0.045, "ãçáéíóõêúâàôü"),  # Portuguese
    _latin(0.012, "àèùòìéî"),  # Italian
    _latin(0.04, "óèàéíçòúïü·"),  # Catalan
    _latin(0.03, "äåöøéæ"),  # Danish, Finnish, Norwegian, Swedish
    _latin(0.004, "ëéïóèö"),  # Dutch
    _latin(0.1, "íáðéþóöúæý"),  # Icelandic
)
_CENTRAL: Final = (
    _WESTERN[0],
    _latin(0.07, "ąężśćółńź"),  # Polish
    _latin(0.13, "íáéěýřčžšůúťňďó"),  # Czech
    _latin(0.12, "ýáíéčžšťúľôňďäóĺŕ"),  # Slovak
    _latin(0.11, "áéíóöőüúű"),  # Hungarian
    _latin(0.05, "ăîâşţșț"),  # Romanian
    _latin(0.035, "čžšćđ"),  # Croatian, Slovene
)
_BALTIC: Final = (
    _latin(0.06, "ėšųžįūčąę"),  # Lithuanian
    _latin(0.1, "āīēšūņļčžķģ"),  # Latvian
    _latin(0.05, "äõüöšž"),  # Estonian
)
_TURKISH: Final = (_latin(0.12, "ışğüçöâİ"),)
_RUSSIAN: Final = (_alphabet("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"),)
_CYRILLIC: Final = (
    *_RUSSIAN,
    _alphabet("оаинвітересдлкупямзьбгчйхжцшюїєщфґ"),  # Ukrainian
    _alphabet("аоиентрсвлкдпмзгъубчщцяжхфшюйьѝ"),  # Bulgarian
    _alphabet("аоиентсрдјвкумплзгбчшцњжљхћфђџ"),  # Serbian
)
_GREEK: Final = (_alphabet("ατοινεσρκπμλςυηδγάίόέήθχωφύβξώζψϊϋΐΰ"),)
_HEBREW: Final = (_alphabet("יוהלארתמבעשנדםקפכחטןסגצזךףץ"),)
_ARABIC: Final = (_alphabet("الينمرتوبعدسفهكقجحةشطصىخأإئضذثءزظغؤآ،؟"),)
_THAI: Final = (_alphabet("านรอ่กเง้มัียวดลทสิบคหตะปแจไพขใุืช์ู็ํโผถึณซศธภษญฟๆฉ๊ฐฝฮ๋ฤฒฯฏฑฎฆฬ"),)
_SIMPLIFIED: Final = (_asian(_HAN, "gb2312"),)
_TRADITIONAL: Final = (_asian(_HAN, "big5"),)
_JAPANESE: Final = (_asian(_KANA + _HAN, "shift_jis"),)
_KOREAN: Final = (_asian(_HANGUL, "euc_kr"),)

Use: TypeAlias = tuple[float, tuple[Language, ...]]
"""How rare an encoding is, in nats, and the languages written in it."""

EVERY: Final = tuple(
    dict.fromkeys(
        _SIMPLIFIED + _TRADITIONAL + _JAPANESE + _KOREAN + _WESTERN + _CENTRAL + _BALTIC + _TURKISH
        + _CYRILLIC + _GREEK + _HEBREW + _ARABIC + _THAI
    )
)  # fmt: skip

ENCODINGS: Final[dict[str, Use]] = {
    "utf-8": (0, EVERY),
    "gb18030": (0, _SIMPLIFIED),
    "cp1252": (0, _WESTERN),
    "big5hkscs": (1, _TRADITIONAL),
    "cp950": (1.5, _TRADITIONAL),
    "cp932": (1, _JAPANESE),
    "cp949": (1, _KOREAN),
    "cp1251": (1, _CYRILLIC),
    "euc_jp": (2, _JAPANESE),
    "koi8-r": (2, _RUSSIAN),
    "cp1253": (2, _GREEK),
    "cp1255": (2, _HEBREW),
    "cp1256": (2, _ARABIC),
    "cp874": (2, _THAI),
    "cp1250": (3, _CENTRAL),
    "cp1254": (3, _TURKISH),
    "cp1257": (3, _BALTIC),
    "koi8-u": (3, _CYRILLIC),
    "iso8859-5": (3, _CYRILLIC),
    "iso8859-7": (3, _GREEK),
    "cp866": (3, _RUSSIAN),
    "iso8859-15": (3, _WESTERN),
    "iso8859-2": (4, _CENTRAL),
    "iso8859-6": (4, _ARABIC),
    "utf-16-le": (4, EVERY),
    "utf-16-be": (4, EVERY),
    "utf-32-le": (4, EVERY),
    "utf-32-be": (4, EVERY),
}
"""The encodings that are tried. Of two that differ in a few characters, the wider one is listed: cp1252
for ISO-8859-1, gb18030 for GBK and GB2312."""

WIDE: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""The encodings in which ASCII characters are not single ASCII bytes."""

NARROW: Final = tuple(encoding for encoding in ENCODINGS if encoding not in WIDE)
